// The golden bytes of tests/testdata/wire, which every client decodes alike.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "specula/v1/specula.pb.h"
#include "tests/places.h"

namespace specula {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Map entries in the order of their keys, as golden bytes have them.
std::string Encode(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&out);
  out.Trim();
  return bytes;
}

// One case: MESSAGE.CASE.binpb.
struct Golden {
  std::filesystem::path path;
  std::unique_ptr<Message> message;  // empty, of the case's type
  std::string bytes;
  std::string json;
};

std::vector<Golden> Load() {
  std::vector<Golden> all;
  for (const auto& entry : std::filesystem::directory_iterator(
           testing::TestDataDirectory() + "/wire")) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() != ".binpb") continue;
    const std::string name = path.filename();
    const Descriptor* type =
        google::protobuf::DescriptorPool::generated_pool()
            ->FindMessageTypeByName("specula.v1." +
                                    name.substr(0, name.find('.')));
    if (type == nullptr) {
      ADD_FAILURE() << path << " is of no message of the contract";
      continue;
    }
    const Message* prototype =
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(
            type);
    std::filesystem::path json = path;
    json.replace_extension(".json");
    all.push_back({path, std::unique_ptr<Message>(prototype->New()), Read(path),
                   Read(json)});
  }
  return all;
}

// Adds the full names of all fields that are set.
void AddSetFields(const Message& message, std::set<std::string>& names) {
  std::vector<const FieldDescriptor*> fields;
  const google::protobuf::Reflection* reflection = message.GetReflection();
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    names.insert(field->full_name());
    if (field->message_type() == nullptr) continue;
    if (!field->is_repeated()) {
      AddSetFields(reflection->GetMessage(message, field), names);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i)
      AddSetFields(reflection->GetRepeatedMessage(message, field, i), names);
  }
}

TEST(WireTest, DecodedBytesAreEncodedAgainAsTheyWere) {
  const std::vector<Golden> all = Load();
  ASSERT_GT(all.size(), 50U);
  for (const Golden& golden : all) {
    SCOPED_TRACE(golden.path);
    ASSERT_TRUE(golden.message->ParseFromString(golden.bytes));
    EXPECT_EQ(Encode(*golden.message), golden.bytes);
  }
}

TEST(WireTest, BytesAndJsonSayTheSame) {
  for (const Golden& golden : Load()) {
    SCOPED_TRACE(golden.path);
    ASSERT_TRUE(golden.message->ParseFromString(golden.bytes));
    std::unique_ptr<Message> from_json(golden.message->New());
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(golden.json,
                                                            from_json.get())
                    .ok());
    golden.message->DiscardUnknownFields();
    EXPECT_EQ(Encode(*from_json), Encode(*golden.message));
  }
}

TEST(WireTest, EveryRpcAndEveryFieldOfTheContractIsThere) {
  std::set<std::string> types;
  std::set<std::string> fields;
  for (const Golden& golden : Load()) {
    ASSERT_TRUE(golden.message->ParseFromString(golden.bytes)) << golden.path;
    types.insert(golden.message->GetDescriptor()->full_name());
    AddSetFields(*golden.message, fields);
  }
  const google::protobuf::FileDescriptor* file =
      v1::StatusResponse::descriptor()->file();
  const google::protobuf::ServiceDescriptor* service = file->service(0);
  for (int i = 0; i < service->method_count(); ++i) {
    EXPECT_THAT(types, ::testing::Contains(
                           service->method(i)->input_type()->full_name()));
    EXPECT_THAT(types, ::testing::Contains(
                           service->method(i)->output_type()->full_name()));
  }
  for (int i = 0; i < file->message_type_count(); ++i) {
    const Descriptor* message = file->message_type(i);
    for (int j = 0; j < message->field_count(); ++j) {
      EXPECT_THAT(fields, ::testing::Contains(message->field(j)->full_name()))
          << "run tests/testdata/wire/generate.py";
    }
  }
}

}  // namespace
}  // namespace specula
