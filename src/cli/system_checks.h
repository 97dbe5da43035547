// What the operating system grants: ways to read, limits, huge pages.
#pragma once

#include "cli/health_checks.h"

namespace sluice {

HealthCheck check_direct_reads(const HealthFacts& facts);
HealthCheck check_uring(const HealthFacts& facts);
// For slots that io_uring knows beforehand (storage/ring_buffers.h): they are locked in memory.
HealthCheck check_locked_memory(const HealthFacts& facts);
HealthCheck check_open_files(const HealthFacts& facts);
HealthCheck check_huge_pages(const HealthFacts& facts);

}  // namespace sluice
