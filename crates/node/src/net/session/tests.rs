//! What a writer puts on the wire, and when it packs it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::Writer;
use crate::net::compress::WriteRate;
use crate::net::frame::{take, Frame, Kind};
use crate::net::limits::{COMPRESS_BACKLOG_BYTES, PAYLOAD_BYTES_MAX};

async fn written(rate: WriteRate, batch: &[Bytes], queued: usize) -> BytesMut {
    let scratch = BytesMut::new();
    let mut writer = Writer { half: Vec::new(), scratch, rate, kind: Kind::Data };
    writer.write(batch, queued).await.unwrap();
    BytesMut::from(&writer.half[..])
}

fn read(mut wire: BytesMut) -> Vec<Bytes> {
    let mut out = Vec::new();
    while let Some(Frame { kind, payload }) = take(&mut wire, PAYLOAD_BYTES_MAX).unwrap() {
        assert_eq!(kind, Kind::Data);
        out.push(payload);
    }
    assert!(wire.is_empty());
    out
}

fn slow() -> WriteRate {
    let mut rate = WriteRate::default();
    rate.add(1 << 20, Duration::from_millis(100));
    rate
}

#[tokio::test]
async fn a_backlog_on_a_slow_link_is_packed_and_reads_back() {
    let mut noise = vec![0; 300_000];
    aws_lc_rs::rand::fill(&mut noise).unwrap();
    let batch =
        [Bytes::from_static(b"small"), vec![7; 1 << 20].into(), noise.into(), vec![8; 9000].into()];
    let plain: usize = batch.iter().map(Bytes::len).sum();
    let packed = written(slow(), &batch, COMPRESS_BACKLOG_BYTES).await;
    assert!(packed.len() < 310_000, "{}", packed.len());
    assert_eq!(read(packed), batch);
    for (rate, queued) in [(slow(), 0), (WriteRate::default(), COMPRESS_BACKLOG_BYTES)] {
        let wire = written(rate, &batch, queued).await;
        assert!(wire.len() > plain);
        assert_eq!(read(wire), batch);
    }
}
