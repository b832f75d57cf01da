package example;

import com.google.protobuf.ByteString;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import specula.v1.SpeculaGrpc;
import specula.v1.SpeculaGrpc.SpeculaBlockingStub;
import specula.v1.SpeculaOuterClass.Command;
import specula.v1.SpeculaOuterClass.ExecExited;
import specula.v1.SpeculaOuterClass.ExecRequest;
import specula.v1.SpeculaOuterClass.ExecResponse;
import specula.v1.SpeculaOuterClass.StatusRequest;
import specula.v1.SpeculaOuterClass.StatusResponse;
import specula.v1.SpeculaOuterClass.TailRequest;
import specula.v1.SpeculaOuterClass.TailResponse;

/**
 * Asks an agent for its status, runs a command, cancels another, follows a file.
 *
 * <pre>SPECULA_CA=… SPECULA_CERT=… SPECULA_KEY=… java -jar specula-example.jar ADDRESS NAME FILE</pre>
 *
 * NAME is what the agent's certificate is for.
 */
public final class Example {
  private static File setting(String name) throws IOException {
    String path = System.getenv(name);
    if (path == null) {
      throw new IOException(name + " is not set");
    }
    return new File(path);
  }

  /**
   * Mutual TLS 1.3, with our own authority and a certificate of ours. It dials at the first call; keep
   * it, one for each host.
   */
  private static ManagedChannel connect(String address, String name) throws IOException {
    return NettyChannelBuilder.forTarget(address)
        .sslContext(
            GrpcSslContexts.forClient()
                .protocols("TLSv1.3")
                .trustManager(setting("SPECULA_CA"))
                .keyManager(setting("SPECULA_CERT"), setting("SPECULA_KEY"))
                .build())
        .overrideAuthority(name)
        // The longest answer of the contract; 4 MiB if it is not said.
        .maxInboundMessageSize(96 << 20)
        .build();
  }

  private static void showStatus(SpeculaBlockingStub agent) {
    StatusResponse answer =
        agent.withDeadlineAfter(10, TimeUnit.SECONDS).status(StatusRequest.getDefaultInstance());
    System.out.printf(
        "status: %s, %d bytes of memory%n",
        answer.getHost().getHostname(), answer.getMemory().getTotalBytes());
  }

  private static ExecRequest shell(String line) {
    return ExecRequest.newBuilder().setCommand(Command.newBuilder().setShell(line)).build();
  }

  /** What a command writes to both streams, and how it ends. */
  private static void exec(SpeculaBlockingStub agent) {
    ByteString out = ByteString.EMPTY;
    ByteString err = ByteString.EMPTY;
    Iterator<ExecResponse> events = agent.exec(shell("echo hello; echo oops >&2; exit 3"));
    while (events.hasNext()) {
      ExecResponse event = events.next();
      switch (event.getEventCase()) {
        case STDOUT -> out = out.concat(event.getStdout());
        case STDERR -> err = err.concat(event.getStderr());
        case EXITED -> {
          ExecExited exited = event.getExited();
          System.out.printf(
              "exec: out=%s err=%s %s%n",
              out.toStringUtf8().stripTrailing(),
              err.toStringUtf8().stripTrailing(),
              exited.hasCode() ? "exit=" + exited.getCode() : "signal=" + exited.getSignal());
          return;
        }
        default -> {}
      }
    }
    throw new IllegalStateException("the stream ended before the command");
  }

  /** Cancelling the call ends the whole process tree on the host. */
  private static void cancelExec(SpeculaBlockingStub agent) {
    Context.CancellableContext context = Context.current().withCancellation();
    context.run(
        () -> {
          try {
            Iterator<ExecResponse> events =
                agent.exec(shell("setsid sleep 600 & sleep 600 & echo ready; wait"));
            while (events.hasNext()) {
              if (events.next().hasStdout()) {
                context.cancel(null);
              }
            }
          } catch (StatusRuntimeException error) {
            if (error.getStatus().getCode() != Status.Code.CANCELLED) {
              throw error;
            }
            System.out.println("cancel: CANCELLED");
          }
        });
  }

  /** The last two lines of a file and what is appended, until a line is "end". */
  private static void tail(SpeculaBlockingStub agent, String path) {
    TailRequest request =
        TailRequest.newBuilder().setPath(path).setLines(2).setFollow(true).build();
    Context.CancellableContext context = Context.current().withCancellation();
    try {
      context.run(
          () -> {
            ByteString rest = ByteString.EMPTY;
            Iterator<TailResponse> items = agent.tail(request);
            while (items.hasNext()) {
              rest = rest.concat(items.next().getData()); // empty for an event, such as a rotation
              for (int end = newline(rest); end >= 0; end = newline(rest)) {
                String line = rest.substring(0, end).toString(StandardCharsets.UTF_8);
                rest = rest.substring(end + 1);
                System.out.println("tail: " + line);
                if (line.equals("end")) {
                  return;
                }
              }
            }
          });
    } finally {
      context.cancel(null); // ends the call
    }
  }

  private static int newline(ByteString bytes) {
    for (int i = 0; i < bytes.size(); i++) {
      if (bytes.byteAt(i) == '\n') {
        return i;
      }
    }
    return -1;
  }

  private static void run(String address, String name, String path) throws IOException {
    ManagedChannel channel = connect(address, name);
    try {
      SpeculaBlockingStub agent = SpeculaGrpc.newBlockingStub(channel);
      showStatus(agent);
      exec(agent);
      cancelExec(agent);
      tail(agent, path);
    } finally {
      channel.shutdownNow();
    }
  }

  public static void main(String[] arguments) {
    if (arguments.length != 3) {
      System.err.println("usage: java -jar specula-example.jar ADDRESS NAME FILE");
      System.exit(2);
    }
    try {
      run(arguments[0], arguments[1], arguments[2]);
    } catch (IOException | StatusRuntimeException error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
    System.exit(0);
  }
}
