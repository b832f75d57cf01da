//! Asks an agent for its status, runs a command, cancels another, follows a file.
//!
//!     SPECULA_CA=… SPECULA_CERT=… SPECULA_KEY=… specula-example ADDRESS NAME FILE
//!
//! NAME is what the agent's certificate is for.
use std::error::Error;
use std::time::Duration;
use std::{env, fs, process::ExitCode};

use specula_example::v1::{
    command::Program, exec_exited::Outcome, exec_response::Event, specula_client::SpeculaClient,
    tail_response::Item, Command, ExecRequest, StatusRequest, TailRequest,
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::Request;

type Agent = SpeculaClient<Channel>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn setting(name: &str) -> Result<Vec<u8>> {
    let path = env::var(name).map_err(|_| format!("{name} is not set"))?;
    fs::read(&path).map_err(|error| format!("{path}: {error}").into())
}

/// Mutual TLS, with our own authority and a certificate of ours; rustls offers 1.3, and an agent takes
/// nothing else. It dials at the first call; keep it, one for each host.
fn connect(address: &str, name: &str) -> Result<Agent> {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(setting("SPECULA_CA")?))
        .identity(Identity::from_pem(setting("SPECULA_CERT")?, setting("SPECULA_KEY")?))
        .domain_name(name);
    let channel = Endpoint::from_shared(format!("https://{address}"))?
        .connect_timeout(Duration::from_secs(5))
        .tls_config(tls)?
        .connect_lazy();
    // The longest answer of the contract; 4 MiB if it is not said.
    Ok(SpeculaClient::new(channel).max_decoding_message_size(96 << 20))
}

async fn show_status(agent: &mut Agent) -> Result<()> {
    let mut request = Request::new(StatusRequest {});
    request.set_timeout(Duration::from_secs(10));
    let answer = agent.status(request).await?.into_inner();
    println!(
        "status: {}, {} bytes of memory",
        answer.host.unwrap_or_default().hostname,
        answer.memory.unwrap_or_default().total_bytes
    );
    Ok(())
}

fn shell(line: &str) -> ExecRequest {
    let program = Some(Program::Shell(line.into()));
    ExecRequest { command: Some(Command { program, ..Default::default() }) }
}

/// What a command writes to both streams, and how it ends.
async fn exec(agent: &mut Agent) -> Result<()> {
    let mut stream = agent.exec(shell("echo hello; echo oops >&2; exit 3")).await?.into_inner();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(message) = stream.message().await? {
        match message.event {
            Some(Event::Stdout(bytes)) => out.extend(bytes),
            Some(Event::Stderr(bytes)) => err.extend(bytes),
            Some(Event::Exited(exited)) => {
                let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
                let how = match exited.outcome {
                    Some(Outcome::Code(code)) => format!("exit={code}"),
                    Some(Outcome::Signal(signal)) => format!("signal={signal}"),
                    None => "an end that this program does not know".into(),
                };
                println!("exec: out={} err={} {how}", out.trim_end(), err.trim_end());
                return Ok(());
            }
            _ => {}
        }
    }
    Err("the stream ended before the command".into())
}

/// Dropping the stream cancels the call, and the agent ends the whole process tree.
async fn cancel_exec(agent: &mut Agent) -> Result<()> {
    let line = "setsid sleep 600 & sleep 600 & echo ready; wait";
    let mut stream = agent.exec(shell(line)).await?.into_inner();
    while let Some(message) = stream.message().await? {
        if let Some(Event::Stdout(_)) = message.event {
            drop(stream);
            println!("cancel: CANCELLED");
            return Ok(());
        }
    }
    Err("the command ended by itself".into())
}

/// The last two lines of a file and what is appended, until a line is "end".
async fn tail(agent: &mut Agent, path: &str) -> Result<()> {
    let request = TailRequest { path: path.into(), lines: Some(2), follow: true, ..Default::default() };
    let mut stream = agent.tail(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(message) = stream.message().await? {
        // Else an event, such as a rotation.
        let Some(Item::Data(data)) = message.item else { continue };
        bytes.extend(data);
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
            bytes.drain(..=end);
            println!("tail: {line}");
            if line == "end" {
                return Ok(());
            }
        }
    }
    Err("the stream ended".into())
}

async fn run(address: &str, name: &str, path: &str) -> Result<()> {
    let mut agent = connect(address, name)?;
    show_status(&mut agent).await?;
    exec(&mut agent).await?;
    cancel_exec(&mut agent).await?;
    tail(&mut agent, path).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, name, path] = arguments.as_slice() else {
        eprintln!("usage: specula-example ADDRESS NAME FILE");
        return ExitCode::from(2);
    };
    let Err(error) = run(address, name, path).await else {
        return ExitCode::SUCCESS;
    };
    match error.downcast_ref::<tonic::Status>() {
        Some(status) => eprintln!("{:?}: {}", status.code(), status.message()),
        None => eprintln!("{error}"),
    }
    // Of a handshake that failed the causes below say more.
    let mut cause = error.source();
    while let Some(below) = cause {
        eprintln!("  because: {below}");
        cause = below.source();
    }
    ExitCode::FAILURE
}
