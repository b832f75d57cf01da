#include "shim/options.h"

#include <gtest/gtest.h>

#include "shim/listener.h"
#include "shim/translate.h"

namespace specula::shim {
namespace {

TEST(ShimOptionsTest, ListenTakesAnAddressAndHowExecIsAnswered) {
  const ListenOptions stream{{"127.0.0.1", 60119}, ExecReply::kStream};
  const ListenOptions summary{{"::1", 7000}, ExecReply::kSummary};
  EXPECT_EQ(*ParseListen("127.0.0.1", ExecReply::kStream), stream);
  EXPECT_EQ(
      *ParseListen("127.0.0.1:60119,exec-reply=stream", ExecReply::kSummary),
      stream);
  EXPECT_EQ(*ParseListen("[::1]:7000,exec-reply=summary", ExecReply::kStream),
            summary);
  EXPECT_EQ(*ParseListen("[::1]:7000", ExecReply::kSummary), summary);
  for (const char* odd : {"", "a:b", "127.0.0.1:1,", "127.0.0.1:1,exec-reply=",
                          "127.0.0.1:1,exec-reply=both", "127.0.0.1:1,tls",
                          "127.0.0.1:1, exec-reply=stream"}) {
    EXPECT_FALSE(ParseListen(odd, ExecReply::kStream).ok()) << odd;
  }
}

TEST(ShimOptionsTest, SourceIsAnAddressOrANetwork) {
  auto source = [](const char* text) {
    return SourceOf(boost::asio::ip::make_address(text));
  };
  EXPECT_EQ(source("10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(source("::ffff:10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
}

TEST(ShimTranslateTest, EveryCodeHasItsWord) {
  const struct {
    absl::StatusCode code;
    Verb verb;
    Error error;
  } rows[] = {
      {absl::StatusCode::kUnavailable, Verb::kStatus, Error::kUnavailable},
      {absl::StatusCode::kDeadlineExceeded, Verb::kKill, Error::kUnavailable},
      {absl::StatusCode::kResourceExhausted, Verb::kExec, Error::kBusy},
      {absl::StatusCode::kPermissionDenied, Verb::kExec, Error::kDenied},
      {absl::StatusCode::kPermissionDenied, Verb::kCpu, Error::kDenied},
      {absl::StatusCode::kPermissionDenied, Verb::kStart, Error::kStartFailed},
      {absl::StatusCode::kPermissionDenied, Verb::kKill, Error::kKillFailed},
      {absl::StatusCode::kPermissionDenied, Verb::kTail, Error::kTailFailed},
      {absl::StatusCode::kNotFound, Verb::kExec, Error::kExecFailed},
      {absl::StatusCode::kNotFound, Verb::kKill, Error::kKillFailed},
      {absl::StatusCode::kUnimplemented, Verb::kDisk, Error::kUnavailable},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(ErrorOf(absl::Status(row.code, "x"), row.verb), row.error)
        << absl::StatusCodeToString(row.code);
  }
}

}  // namespace
}  // namespace specula::shim
