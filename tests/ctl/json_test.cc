#include "ctl/json.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "specula/v1/specula.pb.h"

namespace specula::ctl {
namespace {

using ::google::protobuf::Struct;
using ::google::protobuf::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Struct ReadBack(const std::string& json) {
  Struct object;
  const auto status =
      google::protobuf::util::JsonStringToMessage(json, &object);
  EXPECT_TRUE(status.ok()) << status.ToString() << " of " << json;
  return object;
}

std::vector<std::string> Keys(const Struct& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.fields()) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

Target Host(std::string host, uint16_t port = 60120) {
  Target target;
  target.id = 3;
  target.endpoint.address = {std::move(host), port};
  return target;
}

TEST(JsonTest, StringsReadBackAsTheyWere) {
  const std::string kCases[] = {
      "",
      "plain",
      "say \"x\" \\ / \b\f\n\r\t",
      std::string("nul \0 inside", 12),
      "\x1b[2J \x7f",
      "</script>",
      "é 漢字 😀",
      "\u2028\u202e\u0085",
  };
  for (const std::string& text : kCases) {
    const std::string json = JsonString(text);
    EXPECT_EQ(json.front(), '"');
    EXPECT_EQ(json.back(), '"');
    EXPECT_THAT(json, Not(HasSubstr("\n")));
    EXPECT_THAT(json, Not(HasSubstr("\x1b")));
    EXPECT_EQ(ReadBack("{\"k\":" + json + "}").fields().at("k").string_value(),
              text);
  }
  EXPECT_EQ(JsonString("vm1"), "\"vm1\"");
}

TEST(JsonTest, BytesThatAreNotUtf8AreReplaced) {
  const Struct object = ReadBack("{\"k\":" + JsonString("a\xff\xc3z") + "}");
  EXPECT_EQ(object.fields().at("k").string_value(), "a\ufffd\ufffdz");
}

TEST(JsonTest, MessagesKeepTheirNamesAndLeaveOutWhatIsAbsent) {
  v1::Cpu cpu;
  cpu.set_quality(v1::QUALITY_FIRST);
  cpu.set_logical_count(2);
  cpu.add_cores()->set_id(0);
  const std::string json = JsonMessage(cpu);
  EXPECT_THAT(json, Not(HasSubstr("\n")));
  const Struct object = ReadBack(json);
  // No utilization, times or window: they were not measured. The rest is there,
  // also where it is 0.
  EXPECT_THAT(Keys(object), ElementsAre("cores", "logical_count", "quality"));
  EXPECT_EQ(object.fields().at("quality").string_value(), "QUALITY_FIRST");
  EXPECT_EQ(object.fields().at("logical_count").number_value(), 2);
  const Struct& core =
      object.fields().at("cores").list_value().values(0).struct_value();
  EXPECT_THAT(Keys(core), ElementsAre("id", "quality"));

  cpu.set_utilization(0);
  cpu.mutable_window()->set_nanos(250'000'000);
  const Struct measured = ReadBack(JsonMessage(cpu));
  EXPECT_EQ(measured.fields().at("utilization").number_value(), 0);
  EXPECT_EQ(measured.fields().at("window").string_value(), "0.250s");
}

TEST(JsonTest, GreatNumbersAreStrings) {
  v1::Memory memory;
  memory.set_total_bytes(9'007'199'254'740'993);  // no double has it
  EXPECT_EQ(
      ReadBack(JsonMessage(memory)).fields().at("total_bytes").string_value(),
      "9007199254740993");
}

TEST(JsonTest, ALineOfSuccessHasItsPayloadAndNoReason) {
  v1::CpuResponse response;
  response.mutable_cpu()->set_utilization(0.25);
  const std::string line = JsonLine(Host("vm1"), Ending(),
                                    absl::Milliseconds(1500), "cpu", &response);
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const Struct object = ReadBack(line);
  EXPECT_THAT(Keys(object), ElementsAre("cpu", "elapsed_seconds", "host", "id",
                                        "outcome", "port"));
  EXPECT_EQ(object.fields().at("id").number_value(), 3);
  EXPECT_EQ(object.fields().at("host").string_value(), "vm1");
  EXPECT_EQ(object.fields().at("port").number_value(), 60120);
  EXPECT_EQ(object.fields().at("outcome").string_value(), "ok");
  EXPECT_EQ(object.fields().at("elapsed_seconds").number_value(), 1.5);
  EXPECT_EQ(object.fields()
                .at("cpu")
                .struct_value()
                .fields()
                .at("cpu")
                .struct_value()
                .fields()
                .at("utilization")
                .number_value(),
            0.25);
}

TEST(JsonTest, ALineOfFailureHasItsReasonAndNoPayload) {
  const Ending ending{Outcome::kRefused, "it said \"no\"\n\x1b[2J\xff"};
  const Struct object = ReadBack(JsonLine(
      Host("fe80::1%eth0", 7), ending, absl::ZeroDuration(), "cpu", nullptr));
  EXPECT_THAT(Keys(object), ElementsAre("elapsed_seconds", "host", "id",
                                        "outcome", "port", "reason"));
  EXPECT_EQ(object.fields().at("outcome").string_value(), "refused");
  EXPECT_EQ(object.fields().at("reason").string_value(),
            "it said \"no\"\n\x1b[2J\ufffd");
  EXPECT_EQ(object.fields().at("host").string_value(), "fe80::1%eth0");
  EXPECT_EQ(object.fields().at("port").number_value(), 7);
  EXPECT_EQ(object.fields().at("elapsed_seconds").number_value(), 0);
}

TEST(JsonTest, HostilePayloadsStayOneLine) {
  v1::ProcessesResponse response;
  response.add_processes()->set_command_line(
      "x\"}\n{\"id\":1,\"outcome\":\"ok\"}\n");
  const std::string line =
      JsonLine(Host("vm1"), Ending(), absl::ZeroDuration(), "ps", &response);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const Struct object = ReadBack(line);
  EXPECT_EQ(object.fields()
                .at("ps")
                .struct_value()
                .fields()
                .at("processes")
                .list_value()
                .values(0)
                .struct_value()
                .fields()
                .at("command_line")
                .string_value(),
            response.processes(0).command_line());
}

}  // namespace
}  // namespace specula::ctl
