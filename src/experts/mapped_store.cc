#include "experts/mapped_store.h"

#include <functional>
#include <utility>

#include "storage/io_threads.h"
#include "storage/mapped_files.h"

namespace sluice {

MappedStore::MappedStore(ExpertCatalog catalog, std::unique_ptr<MappedFiles> files, size_t threads,
                         PrefetchMode prefetch, std::shared_ptr<const ExpertDigests> digests)
    : catalog_(std::move(catalog)),
      files_(std::move(files)),
      prefetch_(prefetch),
      digests_(std::move(digests)),
      threads_(std::make_unique<IoThreads>(threads)) {}

MappedStore::~MappedStore() = default;

StreamCounters MappedStore::counters() const {
  const std::lock_guard lock(mutex);
  return totals;
}

std::span<const std::byte> MappedStore::part(uint32_t expert, size_t part) const {
  return files_->bytes(catalog_.parts(expert)[part]);
}

uint64_t MappedStore::missing_bytes(uint32_t expert) const {
  uint64_t bytes = 0;
  for (const Extent& part : catalog_.parts(expert)) bytes += part.size_bytes - files_->resident_bytes(part);
  return bytes;
}

Result<ExpertRequest> MappedStore::request(uint32_t layer, std::span<const uint32_t> ids) {
  SLUICE_ASSIGN(auto experts, expert_indices(catalog_, layer, ids));
  // Asked of the kernel before the lock is taken: a few system calls an expert.
  std::vector<uint64_t> missing;
  missing.reserve(experts.size());
  for (const uint32_t expert : experts) missing.push_back(missing_bytes(expert));

  auto core = std::make_unique<RequestCore>(static_cast<RequestDesk&>(*this), std::move(experts));
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex);
    for (size_t position = 0; position < missing.size(); ++position) {
      const uint32_t expert = core->experts()[position];
      const bool is_advised = settle_advice(expert);
      if (missing[position] == 0) {
        ++totals.hits;
        core->arrive(position);
        continue;
      }
      ++totals.misses;
      // What a wish still brings was counted with the wish.
      const auto [found, is_new] =
          in_flight_.try_emplace(expert, Fetch{is_advised ? 0 : missing[position], {}});
      found->second.waiters.push_back({core.get(), position});
      if (is_new) tasks.emplace_back([this, expert] { fetch(expert); });
    }
  }
  threads_->post(std::move(tasks));
  return ExpertRequest(std::move(core));
}

void MappedStore::prefetch(uint32_t layer, std::span<const uint32_t> ids, Foresight foresight, bool) {
  if (!is_allowed(prefetch_, foresight)) return;
  const auto experts = expert_indices(catalog_, layer, ids);
  if (!experts) return;
  std::vector<std::function<void()>> wishes;
  for (const uint32_t expert : *experts) {
    const uint64_t missing = missing_bytes(expert);
    if (missing == 0 || !note_advice(expert, missing)) continue;
    // The kernel finds pages and queues reads before it returns from a wish: milliseconds that a thread which
    // computes does not have.
    wishes.emplace_back([this, expert] {
      for (const Extent& part : catalog_.parts(expert)) files_->will_need(part);
    });
  }
  threads_->post(std::move(wishes));
}

bool MappedStore::note_advice(uint32_t expert, uint64_t bytes) {
  const std::lock_guard lock(mutex);
  if (!advised_bytes_.try_emplace(expert, bytes).second) return false;
  totals.prefetched_bytes += bytes;
  totals.read_bytes += bytes;
  return true;
}

bool MappedStore::settle_advice(uint32_t expert) {
  const auto found = advised_bytes_.find(expert);
  if (found == advised_bytes_.end()) return false;
  totals.prefetch_useful_bytes += found->second;
  advised_bytes_.erase(found);
  return true;
}

void MappedStore::fetch(uint32_t expert) {
  Status populated = files_->populate(catalog_.parts(expert));
  bool is_damaged = false;
  if (populated && digests_) {
    populated = check_bytes(expert);
    is_damaged = !populated;
  }
  const std::lock_guard lock(mutex);
  auto node = in_flight_.extract(expert);
  const Fetch& fetch = node.mapped();
  if (populated) {
    ++totals.reads;
    totals.read_bytes += fetch.missing_bytes;
    for (const Waiter& waiter : fetch.waiters) waiter.request->arrive(waiter.position);
  } else {
    ++totals.failed_reads;
    // The digests name the expert themselves.
    const Error error = is_damaged ? populated.error() : error_of_expert(catalog_, expert, populated.error());
    for (const Waiter& waiter : fetch.waiters) waiter.request->fail_with(error);
  }
}

Status MappedStore::check_bytes(uint32_t expert) const {
  std::vector<std::span<const std::byte>> parts;
  for (size_t i = 0; i < catalog_.parts_per_expert(); ++i) parts.push_back(part(expert, i));
  return digests_->check(expert, parts);
}

void MappedStore::abandon(const RequestCore& request) {
  const std::lock_guard lock(mutex);
  for (const uint32_t expert : request.experts()) {
    const auto found = in_flight_.find(expert);
    if (found == in_flight_.end()) continue;
    std::erase_if(found->second.waiters, [&](const Waiter& waiter) { return waiter.request == &request; });
  }
}

}  // namespace sluice
