#include "lib/rpc/shared_key.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/engine.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ctl/pki/authority.h"
#include "gtest/gtest.h"
#include "lib/rpc/openssl_ptr.h"

namespace specula {
namespace {

std::string NewKey() {
  const absl::Time now = absl::Now();
  return ctl::MakeAuthority("d.example", now, now + absl::Hours(1))
      .value()
      .key_pem;
}

// As gRPC asks; null if there is none.
KeyPtr AskEngine(const std::string& name) {
  ENGINE* engine = ENGINE_by_id("specula");
  EXPECT_NE(engine, nullptr);
  EXPECT_EQ(ENGINE_init(engine), 1);
  KeyPtr key(ENGINE_load_private_key(engine, name.c_str(), nullptr, nullptr));
  ENGINE_finish(engine);
  ENGINE_free(engine);
  return key;
}

TEST(SharedKeyTest, TheEngineGivesTheKeyOfTheName) {
  const std::string pems[] = {NewKey(), NewKey()};
  for (const std::string& pem : pems) {
    const std::string shared = ShareKey(pem);
    ASSERT_TRUE(absl::StartsWith(shared, "engine:specula:")) << shared;
    const KeyPtr key =
        AskEngine(std::string(absl::StripPrefix(shared, "engine:specula:")));
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(EVP_PKEY_eq(key.get(), ReadKeyPem(pem).value().get()), 1);
  }
  EXPECT_NE(ShareKey(pems[0]), ShareKey(pems[1]));
}

TEST(SharedKeyTest, AKeyIsReadOnce) {
  const std::string pem = NewKey();
  const std::string first = ShareKey(pem);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 100; ++j) EXPECT_EQ(ShareKey(pem), first);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string name(absl::StripPrefix(first, "engine:specula:"));
  EXPECT_EQ(AskEngine(name).get(), AskEngine(name).get());
}

TEST(SharedKeyTest, WhatIsNoKeyIsNoNameEither) {
  for (const std::string text :
       {"", "no key", "engine:dynamic:x", "engine:specula:0",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    EXPECT_EQ(ShareKey(text), "no private key");
  }
}

TEST(SharedKeyTest, TheEngineHasNoOtherNames) {
  ShareKey(NewKey());
  for (const char* name : {"", "x", "-1", "99999", "1x"}) {
    EXPECT_EQ(AskEngine(name), nullptr) << name;
  }
}

}  // namespace
}  // namespace specula
