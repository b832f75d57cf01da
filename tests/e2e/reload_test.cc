// New certificates while calls are running: no call may fail, whatever is on
// the disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/rpc/grpc_status.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

// Writes in place, as cp does: others can see it half-written.
void Overwrite(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::trunc) << content;
}

TEST(ReloadTest, TwoHundredSwapsUnderLoadFailNoCall) {
  const Pki pki;
  // Looks far more often than usual, so that every state below is looked at.
  AgentProcess agent(pki, {.arguments = {"--reload-interval", "0.01"}});
  const std::string certificate = pki.File("localhost.crt");
  const std::string key = pki.File("localhost.key");

  std::atomic<bool> stop = false;
  std::atomic<int> calls = 0;
  std::atomic<int> failures = 0;
  std::vector<std::thread> load;
  // One caller keeps its connection, one makes a new one for each call.
  for (const bool fresh : {false, true}) {
    load.emplace_back([&, fresh] {
      auto kept = agent.Connect(pki.Load("viewer"));
      while (!stop) {
        absl::Status status =
            CallCpu(fresh ? agent.Connect(pki.Load("viewer")) : kept);
        ++calls;
        if (!status.ok()) {
          ++failures;
          ADD_FAILURE() << status;
        }
        absl::SleepFor(absl::Milliseconds(2));
      }
    });
  }

  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  for (int swap = 0; swap < 200; ++swap) {
    const int kind = static_cast<int>(random() % 6);
    const Credentials good = pki.Load("localhost");
    if (kind <= 1 || swap == 199) {  // a new, good pair
      ctl::IssueOptions force;
      force.force = true;
      ASSERT_TRUE(
          ctl::IssueAgent(pki.path(), "localhost", {"127.0.0.1"}, force).ok());
    } else if (kind == 2) {  // cut off in the middle
      Overwrite(certificate, good.certificate_pem.substr(0, random() % 600));
    } else if (kind == 3) {  // another's key
      Overwrite(key, pki.Load("viewer").key_pem);
    } else if (kind == 4) {  // empty
      Overwrite(key, "");
    } else {  // gone
      unlink(certificate.c_str());
    }
    absl::SleepFor(absl::Milliseconds(20 + random() % 60));
    if (kind > 1 && swap != 199) {  // back, as a second tool would
      Overwrite(certificate, good.certificate_pem);
      Overwrite(key, good.key_pem);
    }
  }
  stop = true;
  for (std::thread& thread : load) thread.join();
  EXPECT_EQ(failures, 0) << "of " << calls << " calls; log:\n" << agent.Log();
  EXPECT_GT(calls, 200);
  EXPECT_THAT(agent.Log(), ::testing::HasSubstr("new TLS material is in use"));
  EXPECT_THAT(agent.Log(), ::testing::HasSubstr("new TLS material is bad"));
  EXPECT_TRUE(agent.process().Running());
}

v1::Agent AskAgent(const AgentProcess& agent, const Pki& pki) {
  auto stub = v1::Specula::NewStub(agent.Connect(pki.Load("viewer")));
  grpc::ClientContext context;
  v1::StatusResponse response;
  grpc::Status status = stub->Status(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.agent();
}

TEST(ReloadTest, NewCertificateIsServedWithoutARestart) {
  const Pki pki;
  AgentProcess agent(pki);
  const v1::Agent before = AskAgent(agent, pki);
  ctl::IssueOptions options;
  options.force = true;
  options.days = 30;
  ASSERT_TRUE(
      ctl::IssueAgent(pki.path(), "localhost", {"127.0.0.1"}, options).ok());
  const auto fingerprint = [&] {
    return RunProgram(
               {"sh", "-c",
                absl::StrCat("echo Q | timeout 20 openssl s_client -connect ",
                             agent.host(), " -cert ", pki.File("viewer.crt"),
                             " -key ", pki.File("viewer.key"),
                             " 2>/dev/null | openssl x509 -noout -enddate")})
        .out;
  };
  const std::string expected =
      RunProgram({"openssl", "x509", "-noout", "-enddate", "-in",
                  pki.File("localhost.crt")})
          .out;
  EXPECT_TRUE(Eventually([&] { return fingerprint() == expected; }))
      << expected;
  const v1::Agent after = AskAgent(agent, pki);
  EXPECT_GT(after.certificate_generation(), before.certificate_generation());
  EXPECT_LT(after.certificate_expire_time().seconds(),
            before.certificate_expire_time().seconds());
  EXPECT_EQ(after.reload_error(), "");
}

TEST(ReloadTest, BadMaterialIsReportedAndTheOldServes) {
  const Pki pki;
  AgentProcess agent(pki);
  Overwrite(pki.File("localhost.crt"), "garbage");
  EXPECT_TRUE(Eventually([&] {
    return AskAgent(agent, pki).reload_error().find("localhost.crt") !=
           std::string::npos;
  }));
}

TEST(ReloadTest, SymlinkSwapAsKubernetesDoesIsSeen) {
  const Pki pki;
  // ..data -> one; one/tls.crt, and the configured path goes through the link.
  const std::string mount = pki.File("secret");
  auto deliver = [&](const std::string& name) {
    const std::string directory = absl::StrCat(mount, "/", name);
    ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
    const Credentials material = pki.Load("localhost");
    ASSERT_TRUE(WriteFileAtomically(directory + "/tls.crt",
                                    material.certificate_pem, 0644, false)
                    .ok());
    ASSERT_TRUE(WriteFileAtomically(directory + "/tls.key", material.key_pem,
                                    0600, false)
                    .ok());
    const std::string link = mount + "/..data_tmp";
    ASSERT_EQ(symlink(name.c_str(), link.c_str()), 0);
    ASSERT_EQ(rename(link.c_str(), (mount + "/..data").c_str()), 0);
  };
  ASSERT_EQ(mkdir(mount.c_str(), 0700), 0);
  deliver("one");
  AgentProcess agent(pki, {.arguments = {"--cert", mount + "/..data/tls.crt",
                                         "--key", mount + "/..data/tls.key"}});
  const int64_t before = AskAgent(agent, pki).certificate_generation();
  ctl::IssueOptions force;
  force.force = true;
  ASSERT_TRUE(
      ctl::IssueAgent(pki.path(), "localhost", {"127.0.0.1"}, force).ok());
  deliver("two");
  EXPECT_TRUE(Eventually(
      [&] { return AskAgent(agent, pki).certificate_generation() > before; }));
}

}  // namespace
}  // namespace specula::testing
