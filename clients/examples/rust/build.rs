//! Generates the module `specula.v1` from the contract; takes protoc.
fn main() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=../../../protos");
    tonic_prost_build::configure()
        .build_server(false)
        // Map entries keep an order, so that the same message is always the same bytes.
        .btree_map(".")
        .compile_protos(&["specula/v1/specula.proto"], &["../../../protos"])
}
