//! One packet: from octets to facts and back.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tc_bench::{ONLINE, TARGET, Template, client};
use tc_proto::{Flags, PacketRef, PacketSpec, SeqNum, TcpOptions, Timestamps};

const SIZES: [usize; 3] = [0, 400, 1448];

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for size in SIZES {
        let mut template = Template::new(Flags::ACK | Flags::PSH, &vec![7; size]);
        let octets = template.with(client(1), ONLINE, SeqNum::new(1), SeqNum::new(2));
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{size} octets"), |bencher| {
            bencher.iter(|| PacketRef::parse(black_box(octets)).map(|packet| *packet.segment()));
        });
    }
}

fn emit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("emit");
    for size in SIZES {
        let payload = vec![7; size];
        let spec = PacketSpec {
            flags: Flags::ACK | Flags::PSH,
            options: TcpOptions { timestamps: Some(Timestamps { value: 1, echo: 2 }), ..TcpOptions::default() },
            payload: [&payload, &[]],
            ..PacketSpec::between(client(1), TARGET)
        };
        let mut buf = Vec::new();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{size} octets"), |bencher| {
            bencher.iter(|| {
                buf.clear();
                black_box(&spec).emit(&mut buf)
            });
        });
    }
}

criterion_group!(packet, parse, emit);
criterion_main!(packet);
