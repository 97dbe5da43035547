// What this machine lets a process use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace sluice {

// Cores that this process may run on, by its affinity; at least 1.
size_t usable_cores();

// How many cores' time control groups (v1 and v2, the process's own and those above it) grant: of the
// tightest one. 0: none of them limits it. `root`: as below.
double granted_cores(const std::filesystem::path& root = "/");

// Memory that can still be taken without swapping: the kernel's MemAvailable, or what control groups (v1 and
// v2, the process's own and those above it) leave, whichever is less. 0 when the system does not say. `root`:
// "/" but for tests, which bring files of their own.
uint64_t available_memory_bytes(const std::filesystem::path& root = "/");

// The same with what it follows from; 0 for what the system does not say.
struct MachineMemory {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;    // as above
  uint64_t group_limit_bytes = 0;  // of the tightest control group; 0: none that matters
};
MachineMemory machine_memory(const std::filesystem::path& root = "/");

}  // namespace sluice
