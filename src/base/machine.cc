#include "base/machine.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

namespace sluice {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// The number that a one-line file holds; empty when there is no file or it says "max".
std::optional<uint64_t> read_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

// A "Key:   value kB" line of /proc/meminfo, or a "key value" line of memory.stat.
std::optional<uint64_t> read_field(const std::filesystem::path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    uint64_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return std::nullopt;
}

// One hierarchy's names for the same things.
struct GroupFiles {
  const char* limit;
  const char* usage;
  // Page cache in memory.stat, as the kernel's own MemAvailable counts it: files that were touched twice are
  // "active" and dropped all the same when programs need the memory.
  std::array<const char*, 2> reclaimable_keys;
};

// The tightest of a process's groups.
struct GroupRoom {
  uint64_t limit_bytes = kUnlimited;
  uint64_t left_bytes = kUnlimited;
};

// What the group at `folder` and every group above it up to `top` leave.
GroupRoom room_in_groups(std::filesystem::path folder, const std::filesystem::path& top,
                         const GroupFiles& files) {
  GroupRoom room;
  while (true) {
    const auto limit = read_number(folder / files.limit);
    const auto usage = read_number(folder / files.usage);
    if (limit && usage) {
      uint64_t reclaimable = 0;
      for (const char* key : files.reclaimable_keys) {
        reclaimable += read_field(folder / "memory.stat", key).value_or(0);
      }
      const uint64_t held = *usage - std::min(*usage, reclaimable);
      room.left_bytes = std::min(room.left_bytes, *limit - std::min(*limit, held));
      room.limit_bytes = std::min(room.limit_bytes, *limit);
    }
    if (folder == top || !folder.has_relative_path()) return room;
    folder = folder.parent_path();
  }
}

// The process's group in a hierarchy: the path of the line of /proc/self/cgroup that has `controller` ("" for
// v2).
std::filesystem::path own_group(const std::filesystem::path& root, const std::string& controller) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers == "," + controller + "," ||
        (!controller.empty() && controllers.find("," + controller + ",") != std::string::npos)) {
      return std::filesystem::path(line.substr(second + 1)).relative_path();
    }
  }
  return {};
}

}  // namespace

size_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<size_t>(std::max(1, CPU_COUNT(&set)));
}

MachineMemory machine_memory(const std::filesystem::path& root) {
  MachineMemory memory;
  uint64_t available = kUnlimited;
  if (const auto kib = read_field(root / "proc/meminfo", "MemTotal:")) memory.total_bytes = *kib * 1024;
  if (const auto kib = read_field(root / "proc/meminfo", "MemAvailable:")) available = *kib * 1024;
  const std::filesystem::path v2 = root / "sys/fs/cgroup";
  const std::filesystem::path v1 = v2 / "memory";
  for (const GroupRoom& room :
       {room_in_groups(v2 / own_group(root, ""), v2,
                       {"memory.max", "memory.current", {"inactive_file", "active_file"}}),
        room_in_groups(v1 / own_group(root, "memory"), v1,
                       {"memory.limit_in_bytes",
                        "memory.usage_in_bytes",
                        {"total_inactive_file", "total_active_file"}})}) {
    available = std::min(available, room.left_bytes);
    // A v1 group without a limit has one beyond all memory.
    if (room.limit_bytes == kUnlimited || (memory.total_bytes != 0 && room.limit_bytes >= memory.total_bytes))
      continue;
    const uint64_t before = memory.group_limit_bytes;
    memory.group_limit_bytes = before == 0 ? room.limit_bytes : std::min(before, room.limit_bytes);
  }
  if (available != kUnlimited) memory.available_bytes = available;
  return memory;
}

uint64_t available_memory_bytes(const std::filesystem::path& root) {
  return machine_memory(root).available_bytes;
}

}  // namespace sluice
