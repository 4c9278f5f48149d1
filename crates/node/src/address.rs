//! How peers reach this node: what is told to them when nobody configured it.
//!
//! Read from the kernel's tables, without asking the network. Called by the daemon and by `invite`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::config::Config;
use crate::net::limits::ADDRESSES_MAX;

/// The addresses to tell peers, best first, at most [`ADDRESSES_MAX`]: the configured ones, else
/// the one listened on, else those of the interfaces. `listening` has the real port.
pub fn advertised(config: &Config, listening: SocketAddr) -> Vec<String> {
    if !config.advertise.is_empty() {
        return config.advertise.iter().take(ADDRESSES_MAX).cloned().collect();
    }
    if !listening.ip().is_unspecified() {
        return vec![listening.to_string()];
    }
    let mut found: Vec<IpAddr> = towards_the_world().into_iter().collect();
    let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    found.extend(local_ipv4(&table).into_iter().map(IpAddr::V4));
    if listening.is_ipv6() {
        let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        found.extend(global_ipv6(&table).into_iter().map(IpAddr::V6));
    }
    let mut seen = BTreeSet::new();
    found.retain(|ip| seen.insert(*ip));
    if found.is_empty() {
        found.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let port = listening.port();
    found.into_iter().take(ADDRESSES_MAX).map(|ip| SocketAddr::new(ip, port).to_string()).collect()
}

/// The address that the default route leaves by. Connecting a UDP socket sends nothing.
fn towards_the_world() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // 192.0.2.1 is reserved for documentation (RFC 5737): it only selects the default route.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

/// Own addresses in `/proc/net/fib_trie`: a line `|-- ADDRESS` followed by `/32 host LOCAL`.
fn local_ipv4(table: &str) -> BTreeSet<Ipv4Addr> {
    let mut last = None;
    let mut found = BTreeSet::new();
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last.filter(|ip| !ip.is_loopback()));
        }
    }
    found
}

/// Own addresses of global scope (`00`) in `/proc/net/if_inet6`.
fn global_ipv6(table: &str) -> BTreeSet<Ipv6Addr> {
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields.get(3) == Some(&"00"))
        .filter_map(|fields| u128::from_str_radix(fields.first()?, 16).ok())
        .map(Ipv6Addr::from)
        .collect()
}

#[cfg(test)]
mod tests;
