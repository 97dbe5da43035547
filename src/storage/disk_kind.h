// What kind of disk a file lies on, as the kernel describes it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace sluice {

struct DiskKind {
  std::string file_system;         // "ext4", "nfs4", ...; empty: not known
  std::string device;              // "nvme0n1p1"; empty: not known, or there is none
  std::optional<bool> rotational;  // by the device's own account: virtual disks often say yes

  // Reads travel over a network, or through another program.
  bool is_remote() const;
};

// Of the file or folder at an absolute `path`, whose links are followed. What the system does not say stays
// empty. `root`: "/" but for tests, which bring /proc and /sys of their own.
DiskKind disk_kind(const std::filesystem::path& path, const std::filesystem::path& root = "/");

}  // namespace sluice
