#include "storage/disk_kind.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string_view>

namespace sluice {
namespace {

namespace fs = std::filesystem;

struct Mount {
  std::string numbers;  // "259:1": which device
  fs::path point;
  std::string file_system;
  std::string source;  // "/dev/nvme0n1p1", or a name that means nothing
};

// The kernel writes spaces, tabs, line breaks and backslashes in paths as \040 and the like.
std::string without_escapes(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto is_octal = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && is_octal(i + 1) && is_octal(i + 2) && is_octal(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// A line of /proc/self/mountinfo: id, parent, device, root, mount point, options, any number of fields, "-",
// file system, source, ... (proc_pid_mountinfo(5)).
std::optional<Mount> parse_mount(const std::string& line) {
  std::istringstream words(line);
  Mount mount;
  std::string skipped, point;
  if (!(words >> skipped >> skipped >> mount.numbers >> skipped >> point)) return std::nullopt;
  while (words >> skipped && skipped != "-") {
  }
  if (!(words >> mount.file_system >> mount.source)) return std::nullopt;
  mount.point = without_escapes(point);
  mount.source = without_escapes(mount.source);
  return mount;
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

// The mount with the longest path above `path`; of several at one place the last one, which hides the others.
std::optional<Mount> mount_of(const fs::path& path, const fs::path& root) {
  std::ifstream file(root / "proc/self/mountinfo");
  std::optional<Mount> best;
  for (std::string line; std::getline(file, line);) {
    auto mount = parse_mount(line);
    if (!mount || !lies_in(path, mount->point)) continue;
    if (!best || mount->point.native().size() >= best->point.native().size()) best = std::move(mount);
  }
  return best;
}

std::string device_name(const fs::path& device) {
  std::ifstream file(device / "uevent");
  constexpr std::string_view kKey = "DEVNAME=";
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(kKey)) return line.substr(kKey.size());
  }
  return {};
}

// A partition's queue is that of the disk, which is the folder that the partition's lies in.
std::optional<bool> is_rotational(const fs::path& device) {
  for (const char* queue : {"queue/rotational", "../queue/rotational"}) {
    std::ifstream file(device / queue);
    if (int value = 0; file >> value) return value != 0;
  }
  return std::nullopt;
}

// Where /sys describes what is mounted. File systems with devices of their own (btrfs) have numbers that
// /sys does not know.
fs::path device_folder(const Mount& mount, const fs::path& root) {
  std::error_code ignored;
  const fs::path by_numbers = root / "sys/dev/block" / mount.numbers;
  if (fs::exists(by_numbers, ignored)) return by_numbers;
  return root / "sys/class/block" / fs::path(mount.source).filename();
}

}  // namespace

bool DiskKind::is_remote() const {
  constexpr std::array<std::string_view, 12> kRemote = {"nfs",      "nfs4",      "cifs", "smb3",
                                                        "9p",       "ceph",      "afs",  "lustre",
                                                        "virtiofs", "glusterfs", "gpfs", "beegfs"};
  return std::find(kRemote.begin(), kRemote.end(), file_system) != kRemote.end() ||
         file_system.starts_with("fuse");
}

DiskKind disk_kind(const fs::path& path, const fs::path& root) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  const auto mount = mount_of(error ? path : real, root);
  if (!mount) return {};
  const fs::path device = device_folder(*mount, root);
  return {mount->file_system, device_name(device), is_rotational(device)};
}

}  // namespace sluice
