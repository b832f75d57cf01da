#include "ctl/bootstrap/elf.h"

#include <elf.h>

#include <string>

#include "gtest/gtest.h"
#include "lib/base/file.h"

namespace specula::ctl {
namespace {

// The beginning of a program.
std::string Head(char width, char order, unsigned type, unsigned machine) {
  std::string head = ELFMAG;
  head += width;
  head += order;
  head.resize(16, '\0');
  for (const unsigned half : {type, machine}) {
    const char low = static_cast<char>(half & 0xff);
    const char high = static_cast<char>(half >> 8);
    head +=
        order == ELFDATA2MSB ? std::string{high, low} : std::string{low, high};
  }
  return head;
}

TEST(ElfTest, TellsMachinesApart) {
  const struct {
    std::string head, want;
  } cases[] = {
      {Head(ELFCLASS64, ELFDATA2LSB, ET_DYN, EM_X86_64), "x86_64"},
      {Head(ELFCLASS32, ELFDATA2LSB, ET_EXEC, EM_X86_64), "x32"},
      {Head(ELFCLASS32, ELFDATA2LSB, ET_EXEC, EM_386), "i386"},
      {Head(ELFCLASS64, ELFDATA2LSB, ET_EXEC, EM_AARCH64), "aarch64"},
      {Head(ELFCLASS32, ELFDATA2LSB, ET_EXEC, EM_ARM), "arm"},
      {Head(ELFCLASS64, ELFDATA2LSB, ET_EXEC, EM_RISCV), "riscv64"},
      {Head(ELFCLASS64, ELFDATA2LSB, ET_EXEC, EM_PPC64), "ppc64le"},
      {Head(ELFCLASS64, ELFDATA2MSB, ET_EXEC, EM_PPC64), "ppc64"},
      {Head(ELFCLASS64, ELFDATA2MSB, ET_EXEC, EM_S390), "s390x"},
      {Head(ELFCLASS64, ELFDATA2LSB, ET_EXEC, 0x1234), "machine 4660"},
  };
  for (const auto& [head, want] : cases) {
    absl::StatusOr<std::string> architecture = ElfArchitecture(head);
    ASSERT_TRUE(architecture.ok()) << architecture.status();
    EXPECT_EQ(*architecture, want);
  }
}

TEST(ElfTest, WhatIsNoProgramIsRefused) {
  const std::string good = Head(ELFCLASS64, ELFDATA2LSB, ET_EXEC, EM_X86_64);
  for (const std::string& bytes :
       {std::string(), std::string("#!/bin/sh\nexec true # long enough"),
        good.substr(0, 19), Head(ELFCLASS64, ELFDATA2LSB, ET_REL, EM_X86_64),
        Head(ELFCLASS64, ELFDATA2LSB, ET_CORE, EM_X86_64)}) {
    EXPECT_FALSE(ElfArchitecture(bytes).ok());
  }
}

TEST(ElfTest, ThisProgramIsForThisMachine) {
  const std::string self = ReadFile("/proc/self/exe", size_t{1} << 30).value();
  EXPECT_TRUE(ElfArchitecture(self).ok());
}

TEST(ElfTest, WordsOfUname) {
  EXPECT_EQ(MachineArchitecture("x86_64"), "x86_64");
  EXPECT_EQ(MachineArchitecture("i686"), "i386");
  EXPECT_EQ(MachineArchitecture("armv7l"), "arm");
  EXPECT_EQ(MachineArchitecture("aarch64"), "aarch64");
}

}  // namespace
}  // namespace specula::ctl
