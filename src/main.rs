//! The program `statecast`; everything is in the library.

fn main() -> std::process::ExitCode {
    statecast::cli::run()
}
