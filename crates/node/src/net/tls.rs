//! TLS 1.3 with raw public keys (RFC 7250): both sides prove an ed25519 key, no certificates.
//!
//! The client pins whom it means to reach; the server takes any ed25519 key and hands the proven
//! [`NodeId`] up: whether that node may speak is asked right after the handshake, not here. Called
//! by `dial`, `listen` and `join`.

use std::io;
use std::sync::Arc;

use aws_lc_rs::digest;
use engine::dot::NodeId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{verify_tls13_signature_with_raw_key, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};

use super::identity::Identity;

const ALPN: &[u8] = b"syncline/1";
/// DER of a SubjectPublicKeyInfo for ed25519 up to the 32 key bytes (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const EXPORTER_LABEL: &[u8] = b"EXPORTER-syncline-join-v1";

/// First 128 bits of SHA-256 over a domain name and a node's key: what a join code carries.
pub type KeyHash = [u8; 16];

/// Whom a client accepts at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pin {
    /// A member whose key is known.
    Node(NodeId),
    /// The inviter of a join code.
    Hash(KeyHash),
}

impl Pin {
    fn accepts(&self, peer: &NodeId) -> bool {
        match self {
            Pin::Node(expected) => expected == peer,
            Pin::Hash(expected) => *expected == key_hash(peer),
        }
    }
}

/// The hash of a node's key that a join code carries.
pub fn key_hash(node: &NodeId) -> KeyHash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"syncline key hash v1");
    context.update(&node.0);
    let mut out = [0; 16];
    out.copy_from_slice(&context.finish().as_ref()[..16]);
    out
}

/// The DER form of a node's key that TLS carries instead of a certificate.
pub(super) fn spki(node: &NodeId) -> [u8; 44] {
    let mut out = [0; 44];
    out[..12].copy_from_slice(&SPKI_PREFIX);
    out[12..].copy_from_slice(&node.0);
    out
}

fn node_of(spki: &CertificateDer<'_>) -> Option<NodeId> {
    let key = spki.as_ref().strip_prefix(&SPKI_PREFIX)?;
    Some(NodeId(key.try_into().ok()?))
}

/// The node whose key the finished handshake proved.
pub(super) fn proven_peer(presented: Option<&[CertificateDer<'_>]>) -> Option<NodeId> {
    node_of(presented?.first()?)
}

/// 32 bytes that only the two ends of this TLS connection know (RFC 5705, RFC 8446 section 7.5).
pub(super) fn exporter(
    connection: &tokio_rustls::TlsStream<tokio::net::TcpStream>,
) -> Result<[u8; 32], Error> {
    let out = [0; 32];
    match connection {
        tokio_rustls::TlsStream::Client(s) => {
            s.get_ref().1.export_keying_material(out, EXPORTER_LABEL, None)
        }
        tokio_rustls::TlsStream::Server(s) => {
            s.get_ref().1.export_keying_material(out, EXPORTER_LABEL, None)
        }
    }
}

/// Whether a failed connect failed because the other end has a different key than the pinned one.
pub(super) fn is_wrong_key(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
    matches!(
        inner,
        Some(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    )
}

/// The name that rustls wants; it is neither sent nor checked.
pub(super) fn server_name() -> ServerName<'static> {
    ServerName::try_from("syncline").expect("a constant valid DNS name")
}

pub(super) fn client_config(identity: &Identity, pin: Pin) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedServer { pin, provider }))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
            identity.certified(),
        )));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

pub(super) fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, Error> {
    let provider = provider();
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(AnyClient { provider }))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(identity.certified())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn proves_possession(
    provider: &CryptoProvider,
    message: &[u8],
    spki: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signed.scheme != SignatureScheme::ED25519 {
        return Err(Error::InvalidCertificate(CertificateError::BadSignature));
    }
    let key = SubjectPublicKeyInfoDer::from(spki.as_ref());
    let algorithms = &provider.signature_verification_algorithms;
    verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}

/// What both ends ask of a handshake besides whose key it is.
macro_rules! tls13_with_raw_ed25519_keys {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _cert: &CertificateDer<'_>,
            _dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.2 is not spoken".to_owned()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            proves_possession(&self.provider, message, cert, dss)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

#[derive(Debug)]
struct PinnedServer {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match node_of(end_entity) {
            None => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
            Some(peer) if self.pin.accepts(&peer) => Ok(ServerCertVerified::assertion()),
            Some(_) => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
        }
    }

    tls13_with_raw_ed25519_keys!();
}

#[derive(Debug)]
struct AnyClient {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match node_of(end_entity) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    tls13_with_raw_ed25519_keys!();
}
