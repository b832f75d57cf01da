package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// The golden bytes of the contract mean what their JSON says, and survive being encoded again.
func TestGoldenBytes(t *testing.T) {
	paths, _ := filepath.Glob("../../../tests/testdata/wire/*.binpb")
	if len(paths) < 50 {
		t.Fatalf("%d golden messages only", len(paths))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			name, _, _ := strings.Cut(filepath.Base(path), ".")
			messageType, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("specula.v1." + name))
			must(t, err)
			golden, err := os.ReadFile(path)
			must(t, err)
			json, err := os.ReadFile(strings.TrimSuffix(path, ".binpb") + ".json")
			must(t, err)

			decoded, again, said := messageType.New().Interface(), messageType.New().Interface(), messageType.New().Interface()
			must(t, proto.Unmarshal(golden, decoded))
			encoded, err := proto.Marshal(decoded)
			must(t, err)
			// Go writes the fields of a oneof last, so the bytes may be in another order.
			must(t, proto.Unmarshal(encoded, again))
			if len(encoded) != len(golden) || !proto.Equal(decoded, again) {
				t.Error("encoded again it is not the same")
			}
			must(t, protojson.Unmarshal(json, said))
			decoded.ProtoReflect().SetUnknown(nil)
			if !proto.Equal(decoded, said) {
				t.Errorf("it is %v\nand its JSON says %v", decoded, said)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
