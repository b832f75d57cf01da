#include "ctl/pki/store.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ctl/pki/show.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/file.h"
#include "lib/rpc/certificate.h"
#include "lib/rpc/denylist.h"
#include "lib/rpc/identity.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2026, 11, 20, 12), absl::UTCTimeZone());
constexpr absl::Duration kDay = absl::Hours(24);

class PkiStoreTest : public ::testing::Test {
 protected:
  PkiStoreTest() {
    std::string name = absl::StrCat(::testing::TempDir(), "/pki.XXXXXX");
    root_ = mkdtemp(name.data());
    dir_ = root_ + "/pki";
  }
  ~PkiStoreTest() override { std::filesystem::remove_all(root_); }

  static AuthorityOptions ForAuthority(std::string trust_domain = "d.example",
                                       int days = 3650, bool force = false) {
    return {std::move(trust_domain), days, force, kNow};
  }
  static IssueOptions Options(int days = 397, bool force = false) {
    return {days, force, kNow};
  }
  void Init() {
    absl::StatusOr<Issued> made = InitAuthority(dir_, ForAuthority());
    ASSERT_TRUE(made.ok()) << made.status();
  }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  std::string Read(const std::string& name) const {
    return ReadFile(Path(name)).value_or("");
  }
  void Write(const std::string& name, const std::string& text,
             mode_t mode = 0644) const {
    ASSERT_EQ(WriteFileAtomically(Path(name), text, mode, true),
              absl::OkStatus());
  }
  std::string Mode(const std::string& path) const {
    struct stat info = {};
    if (lstat(path.c_str(), &info) != 0) return "none";
    return absl::StrFormat("%04o", info.st_mode & 07777);
  }
  std::set<std::string> Files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  // Output and exit status of a shell command line.
  static std::string Shell(const std::string& command) {
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return "popen failed";
    std::string text;
    char buffer[4096];
    size_t got = 0;
    while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
      text.append(buffer, got);
    }
    return absl::StrCat(text, "exit ", WEXITSTATUS(pclose(pipe)));
  }
  static std::string Message(const absl::Status& status) {
    return std::string(status.message());
  }

  std::string root_;
  std::string dir_;
};

TEST_F(PkiStoreTest, InitMakesAnAuthorityAndAnEmptyDenylist) {
  const mode_t mask = umask(0);
  absl::StatusOr<Issued> made = InitAuthority(dir_, ForAuthority());
  umask(mask);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->certificate_path, Path("ca.crt"));
  EXPECT_EQ(made->key_path, Path("ca.key"));
  EXPECT_TRUE(made->certificate.is_authority);
  EXPECT_THAT(made->certificate.uris, ElementsAre("spiffe://d.example"));
  EXPECT_EQ(made->certificate.not_before, kNow - absl::Minutes(5));
  EXPECT_EQ(made->certificate.not_after, kNow + 3650 * kDay);
  EXPECT_EQ(Mode(dir_), "0700");
  EXPECT_EQ(Mode(Path("ca.crt")), "0644");
  EXPECT_EQ(Mode(Path("ca.key")), "0600");
  EXPECT_EQ(Mode(Path("denylist")), "0644");
  EXPECT_THAT(Files(), ElementsAre("ca.crt", "ca.key", "denylist"));
  EXPECT_THAT(Read("denylist"), StartsWith("#"));
  absl::StatusOr<Denylist> denylist = ParseDenylist(Read("denylist"));
  ASSERT_TRUE(denylist.ok()) << denylist.status();
  EXPECT_THAT(*denylist, IsEmpty());
}

TEST_F(PkiStoreTest, ModesDoNotDependOnTheUmask) {
  const mode_t mask = umask(077);
  absl::StatusOr<Issued> made = InitAuthority(dir_, ForAuthority());
  absl::StatusOr<Issued> agent = IssueAgent(dir_, "web-1", {}, Options());
  umask(mask);
  ASSERT_TRUE(made.ok() && agent.ok());
  EXPECT_EQ(Mode(Path("ca.crt")), "0644");
  EXPECT_EQ(Mode(Path("web-1.crt")), "0644");
  EXPECT_EQ(Mode(Path("web-1.key")), "0600");
}

TEST_F(PkiStoreTest, InitWorksInADirectoryThatIsThere) {
  ASSERT_EQ(mkdir(dir_.c_str(), 0755), 0);
  Init();
  EXPECT_THAT(Files(), ElementsAre("ca.crt", "ca.key", "denylist"));
}

TEST_F(PkiStoreTest, InitOverwritesNothingWithoutForce) {
  Init();
  const std::string certificate = Read("ca.crt");
  const std::string key = Read("ca.key");
  absl::Status status = InitAuthority(dir_, ForAuthority()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(status), HasSubstr(Path("ca.crt")));
  EXPECT_THAT(Message(status), HasSubstr("use --force"));
  // A key alone is in the way as well.
  ASSERT_EQ(unlink(Path("ca.crt").c_str()), 0);
  status = InitAuthority(dir_, ForAuthority()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(status), HasSubstr(Path("ca.key")));
  EXPECT_EQ(Read("ca.key"), key);
  EXPECT_THAT(Files(), ElementsAre("ca.key", "denylist"));
}

TEST_F(PkiStoreTest, ForcedInitKeepsTheDenylist) {
  Init();
  const std::string before = Read("ca.crt");
  ASSERT_TRUE(Revoke(dir_, "A1B", kNow).ok());
  absl::StatusOr<Issued> made =
      InitAuthority(dir_, ForAuthority("other", 10, true));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_NE(Read("ca.crt"), before);
  EXPECT_THAT(made->certificate.uris, ElementsAre("spiffe://other"));
  EXPECT_EQ(CheckMaterial(Read("ca.crt"), Read("ca.crt"), Read("ca.key"), kNow),
            absl::OkStatus());
  EXPECT_THAT(*ParseDenylist(Read("denylist")), ElementsAre("A1B"));
}

TEST_F(PkiStoreTest, BadOptionsWriteNothing) {
  for (const char* domain : {"", "Upper", "a/b", "a:1", "..", "a b"}) {
    EXPECT_EQ(InitAuthority(dir_, ForAuthority(domain)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << domain;
  }
  for (int days : {0, -1, 36501, 1 << 30}) {
    EXPECT_EQ(
        InitAuthority(dir_, ForAuthority("d.example", days)).status().code(),
        absl::StatusCode::kInvalidArgument)
        << days;
  }
  EXPECT_FALSE(std::filesystem::exists(dir_));
  EXPECT_TRUE(InitAuthority(dir_, ForAuthority("d.example", 36500)).ok());
  for (int days : {0, -1, 36501}) {
    EXPECT_EQ(IssueAgent(dir_, "web-1", {}, Options(days)).status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(IssueShim(dir_, "web-1", Options(days)).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(Files(), ElementsAre("ca.crt", "ca.key", "denylist"));
}

TEST_F(PkiStoreTest, AgentMayServeAndCall) {
  Init();
  absl::StatusOr<Issued> agent =
      IssueAgent(dir_, "web-1",
                 {"10.0.0.5", "2001:db8::1", "Web-1.Example.org",
                  "*.web.example.org", "web-1", "10.0.0.5"},
                 Options());
  ASSERT_TRUE(agent.ok()) << agent.status();
  EXPECT_EQ(agent->certificate_path, Path("web-1.crt"));
  EXPECT_EQ(agent->key_path, Path("web-1.key"));
  const Certificate& certificate = agent->certificate;
  EXPECT_THAT(certificate.uris,
              ElementsAre("spiffe://d.example/specula/agent/web-1"));
  EXPECT_THAT(certificate.dns_names,
              ElementsAre("web-1", "web-1.example.org", "*.web.example.org"));
  EXPECT_THAT(certificate.ip_addresses, ElementsAre("10.0.0.5", "2001:db8::1"));
  EXPECT_TRUE(certificate.server_auth);
  EXPECT_TRUE(certificate.client_auth);
  EXPECT_FALSE(certificate.is_authority);
  EXPECT_EQ(certificate.not_before, kNow - absl::Minutes(5));
  EXPECT_EQ(certificate.not_after, kNow + 397 * kDay);
  EXPECT_EQ(Mode(Path("web-1.crt")), "0644");
  EXPECT_EQ(Mode(Path("web-1.key")), "0600");
  EXPECT_EQ(
      CheckMaterial(Read("ca.crt"), Read("web-1.crt"), Read("web-1.key"), kNow),
      absl::OkStatus());
  EXPECT_THAT(Files(), ElementsAre("ca.crt", "ca.key", "denylist", "web-1.crt",
                                   "web-1.key"));
}

TEST_F(PkiStoreTest, NameOfAnAgentBecomesASanIfItCan) {
  Init();
  // Whatever a host set takes; see IsHostName.
  const std::string label(63, 'b');
  const std::string longest =
      label + "." + label + "." + label + "." + std::string(59, 'c');
  const struct {
    std::string given;
    std::string name;
  } names[] = {
      {"db_1", "db_1"},
      {"HOST-Upper", "host-upper"},
      {"vm1.example.org.", "vm1.example.org"},
      {"gke-prod-cluster-default-pool-1a2b3c4d-abcd.europe-west1-b.c."
       "my-project-123456.internal",
       "gke-prod-cluster-default-pool-1a2b3c4d-abcd.europe-west1-b.c."
       "my-project-123456.internal"},
      {longest, longest},
  };
  for (const auto& [given, name] : names) {
    absl::StatusOr<Issued> named = IssueAgent(dir_, given, {}, Options());
    ASSERT_TRUE(named.ok()) << named.status();
    EXPECT_THAT(named->certificate.dns_names, ElementsAre(name));
    EXPECT_THAT(named->certificate.uris,
                ElementsAre("spiffe://d.example/specula/agent/" + name));
    EXPECT_EQ(IdentityOf(named->certificate)->name, name);
    EXPECT_LE(named->certificate.common_name.size(), 64u);
    // By any case, and said to be whole or not.
    for (const std::string& asked : {given, name, name + "."}) {
      EXPECT_TRUE(
          ParseServerCertificatePem(Read(name + ".crt"), asked)->is_for_host)
          << asked;
    }
  }
  for (const char* none :
       {"_a", "a..b", ".a", "-a", "a-", "10.0.0.300", "a b"}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(IssueAgent(dir_, none, {}, Options()).status()))
        << none;
  }
  absl::StatusOr<Issued> address = IssueAgent(dir_, "10.0.0.7", {}, Options());
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_THAT(address->certificate.dns_names, IsEmpty());
  EXPECT_THAT(address->certificate.ip_addresses, ElementsAre("10.0.0.7"));
  EXPECT_TRUE(
      ParseServerCertificatePem(Read("10.0.0.7.crt"), "10.0.0.7")->is_for_host);
}

TEST_F(PkiStoreTest, CallersMayOnlyCall) {
  Init();
  for (Role role : {Role::kViewer, Role::kOperator, Role::kAdmin}) {
    const std::string name = absl::StrCat("a-", std::string(RoleName(role)));
    absl::StatusOr<Issued> client = IssueClient(dir_, name, role, Options());
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_EQ(*IdentityOf(client->certificate),
              (Identity{"d.example", role, name}));
    EXPECT_TRUE(client->certificate.client_auth);
    EXPECT_FALSE(client->certificate.server_auth);
    EXPECT_THAT(client->certificate.dns_names, IsEmpty());
  }
  absl::StatusOr<Issued> shim = IssueShim(dir_, "old-console", Options());
  ASSERT_TRUE(shim.ok()) << shim.status();
  EXPECT_EQ(*IdentityOf(shim->certificate),
            (Identity{"d.example", Role::kShim, "old-console"}));
  EXPECT_TRUE(shim->certificate.client_auth);
  EXPECT_FALSE(shim->certificate.server_auth);
  for (Role role : {Role::kShim, Role::kAgent}) {
    EXPECT_EQ(IssueClient(dir_, "bob", role, Options()).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(Mode(Path("bob.key")), "none");
}

TEST_F(PkiStoreTest, BadNamesWriteNothing) {
  Init();
  const std::set<std::string> before = Files();
  for (const std::string& name :
       {std::string(), std::string("../bob"), std::string("a/b"),
        std::string(".."), std::string("."), std::string("-f"),
        std::string(".hidden"), std::string("a b"), std::string("bob\n"),
        std::string("bob,OU=admin"), std::string("b\0b", 3),
        std::string(64, 'a')}) {
    EXPECT_EQ(IssueAgent(dir_, name, {}, Options()).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
    EXPECT_EQ(IssueClient(dir_, name, Role::kAdmin, Options()).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
    EXPECT_EQ(IssueShim(dir_, name, Options()).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
  // Only names of hosts are compared without case.
  EXPECT_EQ(IssueClient(dir_, "Bob", Role::kAdmin, Options()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Files(), before);
  EXPECT_FALSE(std::filesystem::exists(root_ + "/bob.key"));
}

TEST_F(PkiStoreTest, AuthorityIsNotReplacedByANamesake) {
  Init();
  const std::string key = Read("ca.key");
  for (bool force : {false, true}) {
    EXPECT_EQ(IssueAgent(dir_, "ca", {}, Options(397, force)).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(Read("ca.key"), key);
}

TEST_F(PkiStoreTest, BadSansWriteNothing) {
  Init();
  for (const std::string& san : {std::string(),
                                 std::string("_b"),
                                 std::string("a b"),
                                 std::string("-a"),
                                 std::string("a-"),
                                 std::string("a..b"),
                                 std::string("a.."),
                                 std::string(".a"),
                                 std::string("10.0.0.256"),
                                 std::string("10.0.0"),
                                 std::string("[::1]"),
                                 std::string("::g"),
                                 std::string("*"),
                                 std::string("*.org"),
                                 std::string("a.*.org"),
                                 std::string("w*.example.org"),
                                 std::string("*.*.example.org"),
                                 std::string("a\0b", 3),
                                 std::string("10.0.0.1\0", 9),
                                 std::string("a,IP:10.0.0.1"),
                                 std::string("https://a"),
                                 std::string("a:60120"),
                                 std::string(64, 'a'),
                                 std::string("\xc3\xb6.org")}) {
    const absl::Status status =
        IssueAgent(dir_, "web-1", {"good.example.org", san}, Options())
            .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << san;
  }
  EXPECT_THAT(Files(), ElementsAre("ca.crt", "ca.key", "denylist"));
}

TEST_F(PkiStoreTest, IssuedFilesAreNotReplacedWithoutForce) {
  Init();
  ASSERT_TRUE(IssueAgent(dir_, "bob", {}, Options()).ok());
  const std::string certificate = Read("bob.crt");
  const std::string key = Read("bob.key");
  absl::Status status =
      IssueClient(dir_, "bob", Role::kAdmin, Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(status), HasSubstr(Path("bob.crt")));
  EXPECT_THAT(Message(status), HasSubstr("use --force"));
  EXPECT_EQ(Read("bob.crt"), certificate);
  EXPECT_EQ(Read("bob.key"), key);

  ASSERT_TRUE(IssueClient(dir_, "bob", Role::kAdmin, Options(397, true)).ok());
  EXPECT_NE(Read("bob.crt"), certificate);
  EXPECT_NE(Read("bob.key"), key);
  EXPECT_EQ(Mode(Path("bob.key")), "0600");
  EXPECT_EQ(
      CheckMaterial(Read("ca.crt"), Read("bob.crt"), Read("bob.key"), kNow),
      absl::OkStatus());
}

TEST_F(PkiStoreTest, NoNewKeyBesideAnOldCertificate) {
  Init();
  ASSERT_TRUE(IssueAgent(dir_, "web-1", {}, Options()).ok());
  // Only one of the two is in the way, and the other stays away.
  ASSERT_EQ(unlink(Path("web-1.key").c_str()), 0);
  EXPECT_EQ(IssueAgent(dir_, "web-1", {}, Options()).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Mode(Path("web-1.key")), "none");
  ASSERT_TRUE(IssueAgent(dir_, "web-1", {}, Options(397, true)).ok());
  ASSERT_EQ(unlink(Path("web-1.crt").c_str()), 0);
  const absl::Status status = IssueAgent(dir_, "web-1", {}, Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(status), HasSubstr(Path("web-1.key")));
  EXPECT_EQ(Mode(Path("web-1.crt")), "none");
  // What cannot be replaced is found out before anything is.
  const std::string key = Read("web-1.key");
  ASSERT_EQ(mkdir(Path("web-1.crt").c_str(), 0700), 0);
  EXPECT_EQ(IssueAgent(dir_, "web-1", {}, Options(397, true)).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Read("web-1.key"), key);
}

TEST_F(PkiStoreTest, CertificateThatCannotBeWrittenLeavesTheOldPair) {
  Init();
  ASSERT_TRUE(IssueAgent(dir_, "web-1", {}, Options()).ok());
  const std::string certificate = Read("web-1.crt");
  const std::string key = Read("web-1.key");
  // Nothing can be renamed onto a directory.
  ASSERT_EQ(mkdir(Path(".certificate.new").c_str(), 0700), 0);
  EXPECT_FALSE(IssueAgent(dir_, "web-1", {}, Options(397, true)).ok());
  EXPECT_EQ(Read("web-1.crt"), certificate);
  EXPECT_EQ(Read("web-1.key"), key);
}

TEST_F(PkiStoreTest, KeysAreNotWrittenThroughALink) {
  Init();
  const std::string target = root_ + "/target";
  ASSERT_EQ(symlink(target.c_str(), Path("web-1.key").c_str()), 0);
  EXPECT_EQ(IssueAgent(dir_, "web-1", {}, Options()).status().code(),
            absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(IssueAgent(dir_, "web-1", {}, Options(397, true)).ok());
  EXPECT_FALSE(std::filesystem::exists(target));
  EXPECT_EQ(Mode(Path("web-1.key")), "0600");
}

TEST_F(PkiStoreTest, KeyThatOthersMayReadIsNotUsed) {
  Init();
  ASSERT_EQ(chmod(Path("ca.key").c_str(), 0644), 0);
  const absl::Status status = IssueAgent(dir_, "web-1", {}, Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(status), HasSubstr(Path("ca.key")));
  EXPECT_EQ(Mode(Path("web-1.key")), "none");
}

TEST_F(PkiStoreTest, ErrorsOfTheAuthorityNameItsFiles) {
  absl::Status status = IssueAgent(dir_, "web-1", {}, Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(status), HasSubstr(dir_));
  Init();
  const std::string certificate = Read("ca.crt");
  const std::string key = Read("ca.key");
  Write("ca.crt", "garbage");
  status = IssueAgent(dir_, "web-1", {}, Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr(Path("ca.crt")));
  Write("ca.crt", certificate);
  Write("ca.key", "garbage", 0600);
  status = IssueAgent(dir_, "web-1", {}, Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr(dir_));
  Write("ca.key", key, 0600);
  EXPECT_TRUE(IssueAgent(dir_, "web-1", {}, Options()).ok());
  // A leaf in place of the authority names no trust domain.
  Write("ca.crt", Read("web-1.crt"));
  Write("ca.key", Read("web-1.key"), 0600);
  EXPECT_FALSE(IssueAgent(dir_, "web-2", {}, Options()).ok());
  EXPECT_EQ(Mode(Path("web-2.key")), "none");
}

TEST_F(PkiStoreTest, LeafStaysWithinTheTimeOfItsAuthority) {
  ASSERT_TRUE(InitAuthority(dir_, ForAuthority("d.example", 30)).ok());
  absl::StatusOr<Issued> agent = IssueAgent(dir_, "web-1", {}, Options(397));
  ASSERT_TRUE(agent.ok()) << agent.status();
  EXPECT_EQ(agent->certificate.not_after, kNow + 30 * kDay);
  // Two minutes after the authority began to be valid.
  IssueOptions early = Options();
  early.now = kNow - absl::Minutes(3);
  agent = IssueAgent(dir_, "web-2", {}, early);
  ASSERT_TRUE(agent.ok()) << agent.status();
  EXPECT_EQ(agent->certificate.not_before, kNow - absl::Minutes(5));
}

TEST_F(PkiStoreTest, AuthorityOutOfItsTimeIssuesNothing) {
  ASSERT_TRUE(InitAuthority(dir_, ForAuthority("d.example", 30)).ok());
  for (absl::Time now : {kNow + 30 * kDay, kNow - absl::Hours(1)}) {
    IssueOptions options = Options();
    options.now = now;
    const absl::Status status = IssueAgent(dir_, "web-1", {}, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(Message(status), HasSubstr(Path("ca.crt")));
  }
  EXPECT_EQ(Mode(Path("web-1.key")), "none");
}

TEST_F(PkiStoreTest, RevokesBySerialOnce) {
  Init();
  const std::string header = Read("denylist");
  absl::StatusOr<Revoked> revoked = Revoke(dir_, "0a:1b", kNow);
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->serial, "A1B");
  EXPECT_TRUE(revoked->added);
  const std::string list = Read("denylist");
  EXPECT_EQ(list, header + "A1B  # revoked 2026-11-20T12:00:00Z\n");
  for (const char* again : {"0a:1b", "0xA1B", "a1b"}) {
    revoked = Revoke(dir_, again, kNow + kDay);
    ASSERT_TRUE(revoked.ok()) << revoked.status();
    EXPECT_FALSE(revoked->added);
  }
  EXPECT_EQ(Read("denylist"), list);
  EXPECT_EQ(Mode(Path("denylist")), "0644");
}

TEST_F(PkiStoreTest, RevokesByFile) {
  Init();
  absl::StatusOr<Issued> bob =
      IssueClient(dir_, "bob", Role::kOperator, Options());
  ASSERT_TRUE(bob.ok()) << bob.status();
  absl::StatusOr<Revoked> revoked = Revoke(dir_, Path("bob.crt"), kNow);
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->serial, bob->certificate.serial);
  EXPECT_THAT(
      Read("denylist"),
      EndsWith(absl::StrCat("\n", bob->certificate.serial,
                            "  # bob, revoked 2026-11-20T12:00:00Z\n")));
  EXPECT_FALSE(Revoke(dir_, bob->certificate.serial, kNow)->added);
  EXPECT_FALSE(Revoke(dir_, Path("bob.crt"), kNow)->added);
  EXPECT_THAT(*ParseDenylist(Read("denylist")),
              ElementsAre(bob->certificate.serial));
}

TEST_F(PkiStoreTest, WhatCannotBeRevokedChangesNothing) {
  Init();
  const std::string list = Read("denylist");
  for (const std::string& bad :
       {std::string(), std::string("0"), std::string("bob"), Path("nobody.crt"),
        Path("ca.key"), Path("denylist"), Path("ca.crt"), dir_,
        std::string("1\n2"), std::string("1 # 2")}) {
    EXPECT_EQ(Revoke(dir_, bad, kNow).status().code(),
              absl::StatusCode::kInvalidArgument)
        << bad;
  }
  EXPECT_EQ(Read("denylist"), list);
}

TEST_F(PkiStoreTest, RevokeKeepsWhatPeopleWrote) {
  Init();
  Write("denylist", "# mine\n\n0x0B # laptop\nC");  // no newline at the end
  ASSERT_TRUE(Revoke(dir_, "A1B", kNow).ok());
  EXPECT_THAT(Read("denylist"),
              StartsWith("# mine\n\n0x0B # laptop\nC\nA1B  # "));
  EXPECT_FALSE(Revoke(dir_, "b", kNow)->added);
  EXPECT_FALSE(Revoke(dir_, "c", kNow)->added);
  EXPECT_THAT(*ParseDenylist(Read("denylist")),
              UnorderedElementsAre("A1B", "B", "C"));
}

TEST_F(PkiStoreTest, RevokeRefusesAListThatAgentsWouldRefuse) {
  Init();
  const std::string list = "A\nbob\n";
  Write("denylist", list);
  for (const char* serial : {"A", "B"}) {
    const absl::Status status = Revoke(dir_, serial, kNow).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(Message(status), HasSubstr(Path("denylist")));
    EXPECT_THAT(Message(status), HasSubstr("line 2"));
  }
  EXPECT_EQ(Read("denylist"), list);
}

TEST_F(PkiStoreTest, DenylistNeverGrowsBeyondWhatAgentsRead) {
  Init();
  const std::string list = "#" + std::string((1 << 20) - 20, 'x') + "\n";
  Write("denylist", list);
  const absl::Status status = Revoke(dir_, "A1B", kNow).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(status), HasSubstr(Path("denylist")));
  EXPECT_EQ(Read("denylist"), list);
}

TEST_F(PkiStoreTest, LostDenylistIsNotBegunAnew) {
  Init();
  ASSERT_EQ(unlink(Path("denylist").c_str()), 0);
  const absl::Status status = Revoke(dir_, "A1B", kNow).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(status), HasSubstr(Path("denylist")));
  EXPECT_EQ(Mode(Path("denylist")), "none");
}

TEST_F(PkiStoreTest, NameInTheDenylistIsOneHarmlessComment) {
  Init();
  ASSERT_TRUE(IssueAgent(dir_, "web-1", {}, Options()).ok());
  // Somebody else's certificate, whose common name would be a further line.
  const std::string made = Shell(absl::StrCat(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
      "-keyout /dev/null -utf8 -set_serial 0x77 -addext "
      "basicConstraints=critical,CA:FALSE -subj \"$(printf '/CN=x\\nDD')\" "
      "-out ",
      Path("foreign.crt")));
  ASSERT_THAT(made, EndsWith("exit 0"));
  absl::StatusOr<Revoked> revoked = Revoke(dir_, Path("foreign.crt"), kNow);
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_THAT(*ParseDenylist(Read("denylist")), ElementsAre("77"));
  EXPECT_THAT(Read("denylist"), HasSubstr("77  # x\\nDD, revoked"));
}

TEST_F(PkiStoreTest, RevocationsAtTheSameTimeAllCount) {
  Init();
  constexpr int kThreads = 4;
  constexpr int kEach = 10;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 1; j <= kEach; ++j) {
        EXPECT_TRUE(Revoke(dir_, absl::StrCat(i * kEach + j), kNow).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ParseDenylist(Read("denylist"))->size(),
            static_cast<size_t>(kThreads * kEach));
}

TEST_F(PkiStoreTest, ShowTellsEveryCertificateOfAFile) {
  Init();
  ASSERT_TRUE(IssueAgent(dir_, "web-1", {"10.0.0.5"}, Options()).ok());
  absl::StatusOr<std::string> one = Show(Path("web-1.crt"), kNow);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_THAT(*one, StartsWith("subject      CN=web-1\n"));
  EXPECT_THAT(*one, HasSubstr("role         agent\n"));
  EXPECT_THAT(*one, HasSubstr("(397 days left)"));
  Write("both.pem", Read("web-1.crt") + Read("web-1.key") + Read("ca.crt"));
  absl::StatusOr<std::string> both = Show(Path("both.pem"), kNow);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_THAT(*both, StartsWith("1 of 2\n"));
  EXPECT_THAT(*both, HasSubstr("\n\n2 of 2\n"));
  EXPECT_THAT(*both, HasSubstr(*one));
  EXPECT_THAT(*both, HasSubstr("role         authority\n"));
  EXPECT_THAT(*both, Not(HasSubstr("PRIVATE")));
}

TEST_F(PkiStoreTest, ShowNamesTheFileThatIsNone) {
  Init();
  for (const char* name : {"ca.key", "denylist"}) {
    const absl::Status status = Show(Path(name), kNow).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(status), HasSubstr(Path(name)));
  }
  EXPECT_EQ(Show(Path("nobody.crt"), kNow).status().code(),
            absl::StatusCode::kNotFound);
}

// What others make of our certificates.
TEST_F(PkiStoreTest, OpensslAgrees) {
  Init();
  absl::StatusOr<Issued> agent =
      IssueAgent(dir_, "web-1", {"10.0.0.5", "web-1.example.org"}, Options());
  absl::StatusOr<Issued> bob =
      IssueClient(dir_, "bob", Role::kViewer, Options());
  ASSERT_TRUE(agent.ok() && bob.ok());
  const std::string verify =
      absl::StrCat("openssl verify -x509_strict -attime ",
                   absl::ToUnixSeconds(kNow), " -CAfile ", Path("ca.crt"), " ");
  EXPECT_EQ(Shell(absl::StrCat(verify, "-purpose sslserver -verify_hostname ",
                               "web-1.example.org ", Path("web-1.crt"))),
            absl::StrCat(Path("web-1.crt"), ": OK\nexit 0"));
  EXPECT_THAT(Shell(absl::StrCat(verify, "-purpose sslclient -verify_ip ",
                                 "10.0.0.5 ", Path("web-1.crt"))),
              EndsWith("OK\nexit 0"));
  EXPECT_THAT(
      Shell(absl::StrCat(verify, "-purpose sslclient ", Path("bob.crt"))),
      EndsWith("OK\nexit 0"));
  EXPECT_THAT(
      Shell(absl::StrCat(verify, "-purpose sslserver ", Path("bob.crt"))),
      Not(EndsWith("exit 0")));
  EXPECT_THAT(Shell(absl::StrCat(verify, "-verify_hostname other.example.org ",
                                 Path("web-1.crt"))),
              Not(EndsWith("exit 0")));

  const std::string text =
      Shell(absl::StrCat("openssl x509 -noout -text -in ", Path("web-1.crt")));
  EXPECT_THAT(text, EndsWith("exit 0"));
  for (const char* part :
       {"Version: 3", "Signature Algorithm: ecdsa-with-SHA256",
        "ASN1 OID: prime256v1", "Subject: CN = web-1",
        "Issuer: O = d.example, CN = Specula CA",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "TLS Web Server Authentication, TLS Web Client Authentication\n",
        "URI:spiffe://d.example/specula/agent/web-1, DNS:web-1, "
        "DNS:web-1.example.org, IP Address:10.0.0.5\n",
        "X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  const std::string authority =
      Shell(absl::StrCat("openssl x509 -noout -text -in ", Path("ca.crt")));
  for (const char* part :
       {"X509v3 Basic Constraints: critical\n                CA:TRUE, "
        "pathlen:0\n",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL "
        "Sign\n",
        "URI:spiffe://d.example\n", "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier"}) {
    EXPECT_THAT(authority, HasSubstr(part));
  }
  EXPECT_THAT(authority, Not(HasSubstr("Extended Key Usage")));

  EXPECT_THAT(
      Shell(absl::StrCat("openssl pkey -noout -check -in ", Path("web-1.key"))),
      HasSubstr("Key is valid"));
  // The serial that openssl prints is one that Revoke knows.
  const std::string serial =
      Shell(absl::StrCat("openssl x509 -noout -serial -in ", Path("web-1.crt"),
                         " | sed s/serial=//"));
  absl::StatusOr<std::string> normal =
      NormalizeSerial(serial.substr(0, serial.find('\n')));
  ASSERT_TRUE(normal.ok()) << normal.status();
  EXPECT_EQ(*normal, agent->certificate.serial);
  const std::string fingerprint = Shell(
      absl::StrCat("openssl x509 -noout -fingerprint -sha256 -in ",
                   Path("web-1.crt"), " | sed 's/.*=//; s/://g' | tr A-F a-f"));
  EXPECT_EQ(fingerprint, agent->certificate.sha256 + "\nexit 0");
}

}  // namespace
}  // namespace specula::ctl
