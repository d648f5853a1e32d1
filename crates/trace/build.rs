//! Compiles the eBPF programs, when the feature `ebpf` asks for them: then clang must be there.

use std::path::PathBuf;
use std::process::Command;

const FOLDER: &str = "src/observe/ebpf";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_EBPF").is_none() {
        return;
    }
    for file in ["program.bpf.c", "kernel.h"] {
        println!("cargo::rerun-if-changed={FOLDER}/{file}");
    }
    println!("cargo::rerun-if-env-changed=CLANG");
    let machine = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if machine != "x86_64" {
        println!("cargo::error=the feature `ebpf` is for x86_64 only: build without it on {machine}");
        return;
    }
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".into());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("program.bpf.o");
    let mut compile = Command::new(&clang);
    compile.args(["-target", "bpf", "-D__TARGET_ARCH_x86", "-O2", "-g", "-Wall", "-Werror"]);
    compile.args(["-I/usr/include/x86_64-linux-gnu", "-c"]);
    compile.arg(format!("{FOLDER}/program.bpf.c")).arg("-o").arg(&out);
    match compile.output() {
        Ok(done) if done.status.success() => {}
        Ok(done) => {
            for line in String::from_utf8_lossy(&done.stderr).lines().take(20) {
                println!("cargo::warning={line}");
            }
            println!(
                "cargo::error={clang} cannot compile the eBPF programs; they need clang 14 or later and the headers of libbpf (Debian: apt-get install clang libbpf-dev)"
            );
        }
        Err(error) => println!(
            "cargo::error=the feature `ebpf` needs clang, and `{clang}` cannot be started ({error}): install it (Debian: apt-get install clang libbpf-dev), name it with CLANG=…, or build without the feature"
        ),
    }
}
