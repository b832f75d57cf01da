// Asks an agent for its status, runs a command, cancels another, follows a file.
//
//   SPECULA_CA=… SPECULA_CERT=… SPECULA_KEY=… node dist/main.js ADDRESS NAME FILE
//
// NAME is what the agent's certificate is for.
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { credentials, Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { ExecRequest, TailRequest, type SpeculaClient, type StatusResponse } from "./gen/specula/v1/specula.js";
import { StrictClient } from "./strict.js";

function setting(name: string): Buffer {
  const path = process.env[name];
  if (path === undefined) throw new Error(`${name} is not set`);
  return readFileSync(path);
}

// Mutual TLS 1.3, with our own authority and a certificate of ours. It dials at the first call; keep
// it, one for each host.
function connect(address: string, name: string): SpeculaClient {
  const tls = createSecureContext({
    minVersion: "TLSv1.3",
    ca: setting("SPECULA_CA"),
    cert: setting("SPECULA_CERT"),
    key: setting("SPECULA_KEY"),
  });
  return new StrictClient(address, credentials.createFromSecureContext(tls), {
    "grpc.ssl_target_name_override": name,
    "grpc.default_authority": name,
    // The longest answer of the contract; 4 MiB if it is not said.
    "grpc.max_receive_message_length": 96 << 20,
  });
}

async function showStatus(agent: SpeculaClient): Promise<void> {
  const answer = await new Promise<StatusResponse>((resolve, reject) => {
    agent.status({}, new Metadata(), { deadline: Date.now() + 10_000 }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
  console.log(`status: ${answer.host?.hostname}, ${answer.memory?.totalBytes} bytes of memory`);
}

function shell(line: string): ExecRequest {
  return ExecRequest.fromPartial({ command: { program: { $case: "shell", value: line } } });
}

// What a command writes to both streams, and how it ends.
async function exec(agent: SpeculaClient): Promise<void> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  for await (const { event } of agent.exec(shell("echo hello; echo oops >&2; exit 3"))) {
    switch (event?.$case) {
      case "stdout":
        out.push(event.value);
        break;
      case "stderr":
        err.push(event.value);
        break;
      case "exited": {
        const { outcome } = event.value;
        const how = outcome?.$case === "code" ? `exit=${outcome.value}` : `signal=${outcome?.value}`;
        console.log(`exec: out=${Buffer.concat(out)}`.trimEnd(), `err=${Buffer.concat(err)}`.trimEnd(), how);
        return;
      }
    }
  }
  throw new Error("the stream ended before the command");
}

// Cancelling the call ends the whole process tree on the host.
async function cancelExec(agent: SpeculaClient): Promise<void> {
  const call = agent.exec(shell("setsid sleep 600 & sleep 600 & echo ready; wait"));
  try {
    for await (const { event } of call) {
      if (event?.$case === "stdout") call.cancel();
    }
  } catch (error) {
    if ((error as ServiceError).code !== status.CANCELLED) throw error;
    console.log("cancel: CANCELLED");
  }
}

// The last two lines of a file and what is appended, until a line is "end".
async function tail(agent: SpeculaClient, path: string): Promise<void> {
  const call = agent.tail(TailRequest.fromPartial({ path, lines: 2n, follow: true }));
  call.on("error", () => {}); // what comes of our own cancel, after the loop
  const utf8 = new TextDecoder();
  let text = "";
  try {
    for await (const { item } of call) {
      if (item?.$case !== "data") continue; // an event, such as a rotation
      text += utf8.decode(item.value, { stream: true });
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        console.log(`tail: ${line}`);
        if (line === "end") return;
      }
    }
  } finally {
    call.cancel();
  }
}

const [address, name, path] = process.argv.slice(2);
if (address === undefined || name === undefined || path === undefined) {
  console.error("usage: node dist/main.js ADDRESS NAME FILE");
  process.exit(2);
}
const agent = connect(address, name);
(async () => {
  await showStatus(agent);
  await exec(agent);
  await cancelExec(agent);
  await tail(agent, path);
})()
  .catch((error: ServiceError) => {
    console.error(error.code === undefined ? error.message : `${status[error.code]}: ${error.details}`);
    process.exitCode = 1;
  })
  .finally(() => agent.close());
