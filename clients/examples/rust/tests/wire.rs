//! The golden bytes of the contract are known field by field, and survive being encoded again.
use std::{fs, path::Path};

use prost::Message;
use specula_example::v1::*;

/// Decodes, and encodes again.
fn again<M: Message + Default>(bytes: &[u8]) -> Vec<u8> {
    M::decode(bytes).expect("decodes").encode_to_vec()
}

fn codec(name: &str) -> fn(&[u8]) -> Vec<u8> {
    match name {
        "StatusRequest" => again::<StatusRequest>,
        "StatusResponse" => again::<StatusResponse>,
        "CpuRequest" => again::<CpuRequest>,
        "CpuResponse" => again::<CpuResponse>,
        "MemRequest" => again::<MemRequest>,
        "MemResponse" => again::<MemResponse>,
        "DiskRequest" => again::<DiskRequest>,
        "DiskResponse" => again::<DiskResponse>,
        "ProcessesRequest" => again::<ProcessesRequest>,
        "ProcessesResponse" => again::<ProcessesResponse>,
        "StartRequest" => again::<StartRequest>,
        "StartResponse" => again::<StartResponse>,
        "KillRequest" => again::<KillRequest>,
        "KillResponse" => again::<KillResponse>,
        "ExecRequest" => again::<ExecRequest>,
        "ExecResponse" => again::<ExecResponse>,
        "TailRequest" => again::<TailRequest>,
        "TailResponse" => again::<TailResponse>,
        "WatchRequest" => again::<WatchRequest>,
        "WatchResponse" => again::<WatchResponse>,
        _ => panic!("{name} is no request or response that this test knows"),
    }
}

#[test]
fn golden_bytes() {
    let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/testdata/wire");
    let mut count = 0;
    for entry in fs::read_dir(wire).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().and_then(|e| e.to_str()) != Some("binpb") {
            continue;
        }
        let file = path.file_name().unwrap().to_str().unwrap();
        let golden = fs::read(&path).unwrap();
        let encoded = codec(file.split('.').next().unwrap())(&golden);
        // prost drops what it does not know, so that equal bytes prove that it knew every field; a
        // message of nothing but unknown fields becomes the empty one.
        let expected = if file.contains(".unknown.") { Vec::new() } else { golden };
        assert_eq!(encoded, expected, "{file}");
        count += 1;
    }
    assert!(count > 50, "{count} golden messages only");
}

#[test]
fn values() {
    let wire = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/testdata/wire");
    let read = |name: &str| fs::read(format!("{wire}/{name}.binpb")).unwrap();
    let full = StatusResponse::decode(&*read("StatusResponse.full")).unwrap();
    assert_eq!(full.time.unwrap().nanos, 123456789);
    assert_eq!(full.memory.unwrap().total_bytes, i64::MAX);
    assert_eq!(full.cgroup.unwrap().cpuset_count, Some(i32::MIN + 2));
    let empty = MemResponse::decode(&*read("MemResponse.empty")).unwrap();
    assert_eq!(empty.memory, None);
    let zero = MemResponse::decode(&*read("MemResponse.zero")).unwrap();
    assert_eq!(zero.memory.unwrap().utilization, Some(0.0));
    let newer = MemResponse::decode(&*read("MemResponse.newer-enum")).unwrap();
    assert_eq!(newer.memory.unwrap().quality, 99);
}
