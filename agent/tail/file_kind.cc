#include "agent/tail/file_kind.h"

#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace specula::agent {
namespace {

struct FileSystem {
  uint32_t magic;
  const char* name;
};

// Where contents are made up by the kernel. From linux/magic.h, which does not
// have all of them.
constexpr FileSystem kMadeUp[] = {
    {0x00009fa0, "procfs"},     {0x62656572, "sysfs"},
    {0x64626720, "debugfs"},    {0x74726163, "tracefs"},
    {0x0027e0eb, "cgroup"},     {0x63677270, "cgroup2"},
    {0x73636673, "securityfs"}, {0x62656570, "configfs"},
    {0xcafe4a11, "bpf"},        {0xde5e81e4, "efivarfs"},
    {0xf97cff8c, "selinuxfs"},  {0x43415d53, "smackfs"},
    {0x5a3c69f0, "apparmorfs"}, {0x00001cd1, "devpts"},
    {0x19800202, "mqueue"},     {0x42494e4d, "binfmt_misc"},
    {0x6e736673, "nsfs"},       {0x534f434b, "sockfs"},
    {0x50495045, "pipefs"},     {0x09041934, "anon_inodefs"},
    {0x07655821, "resctrl"},    {0x6e667364, "nfsd"},
    {0x65735543, "fusectl"},    {0x958458f6, "hugetlbfs"},
    {0x67596969, "rpc_pipefs"}, {0xabba1974, "xenfs"},
    {0x6c6f6f70, "binderfs"},   {0x64616d30, "devmem"},
    {0x444d4142, "dmabuf"},
};

// Where every writer goes through this kernel, so that inotify hears of it.
constexpr uint32_t kLocal[] = {
    0x0000ef53,  // ext2, ext3, ext4
    0x58465342,  // xfs
    0x9123683e,  // btrfs
    0xca451a4e,  // bcachefs
    0x2fc12fc1,  // zfs
    0xf2f52010,  // f2fs
    0x01021994,  // tmpfs
    0x858458f6,  // ramfs
    0x3153464a,  // jfs
    0x52654973,  // reiserfs
    0x00003434,  // nilfs2
    0x00004d44,  // vfat
    0x2011bab0,  // exfat
    0x7366746e,  // ntfs3
    0x73717368,  // squashfs
    0xe0f5e1e2,  // erofs
    0x00009660,  // iso9660
};

// f_type is a signed long on some machines and an unsigned int on others.
uint32_t Magic(const struct statfs& system) {
  return static_cast<uint32_t>(system.f_type);
}

const char* KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "no file";
}

}  // namespace

absl::Status CheckFollowable(int fd, const struct stat& info,
                             absl::string_view path) {
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is ", KindOf(info.st_mode),
                     "; only regular files can be followed"));
  }
  struct statfs system;
  if (fstatfs(fd, &system) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("fstatfs(", path, ")"));
  }
  for (const FileSystem& made_up : kMadeUp) {
    if (made_up.magic != Magic(system)) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is a file of ", made_up.name,
                     ", made up by the kernel as it is read; only stored files "
                     "can be followed"));
  }
  return absl::OkStatus();
}

absl::Status CheckAnnounced(const std::string& path) {
  struct statfs system;
  if (statfs(path.c_str(), &system) != 0) {
    return absl::UnavailableError(
        absl::ErrnoToStatus(errno, absl::StrCat("statfs(", path, ")"))
            .message());
  }
  if (std::find(std::begin(kLocal), std::end(kLocal), Magic(system)) !=
      std::end(kLocal)) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(absl::StrCat(
      path, " is on a file system of type 0x", absl::Hex(Magic(system)),
      ", where changes may come unannounced"));
}

}  // namespace specula::agent
