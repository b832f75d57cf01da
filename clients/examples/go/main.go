// Asks an agent for its status, runs a command, cancels another, follows a file.
//
//	SPECULA_CA=… SPECULA_CERT=… SPECULA_KEY=… specula-example ADDRESS NAME FILE
//
// NAME is what the agent's certificate is for.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	pb "specula-example/speculav1"
)

//go:generate sh generate.sh

// connect makes a channel by mutual TLS 1.3, with our own authority and a certificate of ours. It
// dials at the first call; keep it, one for each host.
func connect(address, name string) (*grpc.ClientConn, error) {
	ca, err := os.ReadFile(os.Getenv("SPECULA_CA"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("SPECULA_CA holds no certificate")
	}
	own, err := tls.LoadX509KeyPair(os.Getenv("SPECULA_CERT"), os.Getenv("SPECULA_KEY"))
	if err != nil {
		return nil, err
	}
	// The longest answer of the contract; 4 MiB if it is not said.
	longest := grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(96 << 20))
	return grpc.NewClient(address, longest, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		MinVersion:   tls.VersionTLS13,
		RootCAs:      roots,
		Certificates: []tls.Certificate{own},
		ServerName:   name,
	})))
}

func showStatus(ctx context.Context, agent pb.SpeculaClient) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answer, err := agent.Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return err
	}
	fmt.Printf("status: %s, %d bytes of memory\n", answer.GetHost().GetHostname(), answer.GetMemory().GetTotalBytes())
	return nil
}

func shell(line string) *pb.ExecRequest {
	return &pb.ExecRequest{Command: &pb.Command{Program: &pb.Command_Shell{Shell: line}}}
}

// exec shows what a command writes to both streams, and how it ends.
func exec(ctx context.Context, agent pb.SpeculaClient) error {
	stream, err := agent.Exec(ctx, shell("echo hello; echo oops >&2; exit 3"))
	if err != nil {
		return err
	}
	var out, errOut strings.Builder
	for {
		message, err := stream.Recv()
		if err != nil {
			return err // io.EOF, too: a stream without an end of the command is not complete
		}
		switch event := message.Event.(type) {
		case *pb.ExecResponse_Stdout:
			out.Write(event.Stdout)
		case *pb.ExecResponse_Stderr:
			errOut.Write(event.Stderr)
		case *pb.ExecResponse_Exited:
			switch outcome := event.Exited.Outcome.(type) {
			case *pb.ExecExited_Code:
				fmt.Printf("exec: out=%s err=%s exit=%d\n",
					strings.TrimSpace(out.String()), strings.TrimSpace(errOut.String()), outcome.Code)
			case *pb.ExecExited_Signal:
				fmt.Printf("exec: signal %d\n", outcome.Signal)
			}
			return nil
		}
	}
}

// cancelExec ends a command by cancelling its call: the agent ends the whole process tree.
func cancelExec(ctx context.Context, agent pb.SpeculaClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := agent.Exec(ctx, shell("setsid sleep 600 & sleep 600 & echo ready; wait"))
	for err == nil {
		var message *pb.ExecResponse
		message, err = stream.Recv()
		if message.GetStdout() != nil {
			cancel()
		}
	}
	if status.Code(err) != codes.Canceled {
		return err
	}
	fmt.Println("cancel: CANCELLED")
	return nil
}

// tailReader gives the bytes of a Tail.
type tailReader struct {
	stream grpc.ServerStreamingClient[pb.TailResponse]
	rest   []byte
}

func (r *tailReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		message, err := r.stream.Recv()
		if err != nil {
			return 0, err
		}
		r.rest = message.GetData() // nil for an event, such as a rotation
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// tail shows the last two lines of a file and what is appended, until a line is "end".
func tail(ctx context.Context, agent pb.SpeculaClient, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := int64(2)
	stream, err := agent.Tail(ctx, &pb.TailRequest{Path: path, Lines: &lines, Follow: true})
	if err != nil {
		return err
	}
	scanner := bufio.NewScanner(&tailReader{stream: stream})
	for scanner.Scan() {
		fmt.Println("tail:", scanner.Text())
		if scanner.Text() == "end" {
			return nil
		}
	}
	if scanner.Err() == nil {
		return io.ErrUnexpectedEOF
	}
	return scanner.Err()
}

func run(address, name, path string) error {
	connection, err := connect(address, name)
	if err != nil {
		return err
	}
	defer connection.Close()
	agent, ctx := pb.NewSpeculaClient(connection), context.Background()
	if err := showStatus(ctx, agent); err != nil {
		return err
	}
	if err := exec(ctx, agent); err != nil {
		return err
	}
	if err := cancelExec(ctx, agent); err != nil {
		return err
	}
	return tail(ctx, agent, path)
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: specula-example ADDRESS NAME FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
