//! The command `entopic`.

fn main() -> std::process::ExitCode {
    entopic_cli::main()
}
