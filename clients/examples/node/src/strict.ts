// ts-proto's decoder takes what it can of bytes that are no message and leaves the rest, so that a cut
// answer would look like a short one. Here it is an error, which gRPC tells as INTERNAL.
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { makeGenericClientConstructor, type ServiceDefinition } from "@grpc/grpc-js";
import { SpeculaClient, SpeculaService } from "./gen/specula/v1/specula.js";

type Decode = (bytes: Buffer) => unknown;

// The same decoder, which wants to have read all.
export function strict(decode: Decode): Decode {
  return (bytes) => {
    const reader = new BinaryReader(bytes);
    // The generated decoders take a reader as well.
    const message = decode(reader as unknown as Buffer);
    if (reader.pos !== reader.len) throw new Error("the bytes are no such message");
    return message;
  };
}

const service: ServiceDefinition = Object.fromEntries(
  Object.entries(SpeculaService).map(([name, method]) => [
    name,
    { ...method, responseDeserialize: strict(method.responseDeserialize) },
  ]),
);

// In place of SpeculaClient.
export const StrictClient = makeGenericClientConstructor(service, "Specula") as unknown as typeof SpeculaClient;
