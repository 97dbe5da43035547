// Experts in mapped files: mode kMmap, where the kernel's page cache decides what stays.
// Internal to this room; made by open_store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "experts/catalog.h"
#include "experts/expert_digests.h"
#include "experts/expert_store.h"
#include "experts/request_core.h"

namespace sluice {

class IoThreads;
class MappedFiles;

// No slots: leases point into the mapping and pin nothing. What is not in the page cache is populated on a
// few threads before its lease is handed out, so that a file that was cut short or a failing device is an
// error of the request.
class MappedStore final : public ExpertStore, private RequestDesk {
 public:
  // `threads` >= 1 experts are populated at once.
  MappedStore(ExpertCatalog catalog, std::unique_ptr<MappedFiles> files, size_t threads,
              PrefetchMode prefetch, std::shared_ptr<const ExpertDigests> digests);
  ~MappedStore() override;

  // A hit is an expert whose every byte is in the page cache at this moment. A read, in the counters, is the
  // populating of one expert; its bytes are those that were not in the page cache.
  Result<ExpertRequest> request(uint32_t layer, std::span<const uint32_t> ids) override;
  Result<ExpertRequest> sweep(uint32_t layer, std::span<const uint32_t> ids) override {
    return request(layer, ids);
  }
  // The kernel's page cache learns by itself.
  void learn(uint32_t, std::span<const uint32_t>) override {}
  // Tells the kernel that the bytes will be needed; what comes of it, it does not say. They count as read:
  // those that were not in the page cache, once until the expert is asked for. None is ever known to be
  // wasted.
  void prefetch(uint32_t layer, std::span<const uint32_t> ids, Foresight foresight, bool by_sweep) override;
  bool wants_guesses() override { return prefetch_ == PrefetchMode::kLikely; }
  void listen(std::function<void(const ReadSpan&)>) override {}
  StreamCounters counters() const override;
  StreamMode mode() const override { return StreamMode::kMmap; }
  size_t capacity_slots() const override { return 0; }
  uint64_t capacity_bytes() const override { return 0; }

 private:
  // An expert that is being populated.
  struct Fetch {
    uint64_t missing_bytes = 0;
    std::vector<Waiter> waiters;
  };

  std::span<const std::byte> part(uint32_t expert, size_t part) const override;
  void release(uint32_t) override {}
  uint32_t lease_handle(uint32_t expert) const override { return expert; }
  void abandon(const RequestCore& request) override;

  uint64_t missing_bytes(uint32_t expert) const;
  // A wish for `bytes` of an expert, unless one stands already; and its end, with the mutex held, when the
  // expert is asked for: whether one stood.
  bool note_advice(uint32_t expert, uint64_t bytes);
  bool settle_advice(uint32_t expert);
  Status check_bytes(uint32_t expert) const;
  // On a thread of threads_.
  void fetch(uint32_t expert);

  const ExpertCatalog catalog_;
  const std::unique_ptr<MappedFiles> files_;
  const PrefetchMode prefetch_;
  const std::shared_ptr<const ExpertDigests> digests_;  // may be null
  std::unordered_map<uint32_t, Fetch> in_flight_;       // by expert; guarded by mutex
  std::unordered_map<uint32_t, uint64_t>
      advised_bytes_;                   // wished for and not asked for since; guarded by mutex
  std::unique_ptr<IoThreads> threads_;  // last: its end waits for tasks, which use what stands above
};

}  // namespace sluice
