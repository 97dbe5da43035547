// Experts in slots of our own: modes kDirect, where a policy decides who stays, and kResident, where all do.
// Internal to this room; made by open_store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <unordered_map>
#include <vector>

#include "base/memory.h"
#include "experts/catalog.h"
#include "experts/eviction_policy.h"
#include "experts/expert_store.h"
#include "experts/request_core.h"
#include "experts/slot_layout.h"

namespace sluice {

class Reader;
struct ReadOp;

// One arena, cut into slots of equal size. A slot is free, being read, or holds an expert; a held expert is
// pinned as long as leases, or requests that will hand it out, depend on it, and otherwise the policy's to
// evict.
class SlotStore final : public ExpertStore, private RequestDesk {
 public:
  // `slots` >= 1; more than there are experts are not made. kOutOfBudget when the memory cannot be had.
  static Result<std::unique_ptr<SlotStore>> create(StreamMode mode, size_t slots, ExpertCatalog catalog,
                                                   SlotLayout layout, std::unique_ptr<EvictionPolicy> policy,
                                                   std::unique_ptr<Reader> reader);
  ~SlotStore() override;

  // Reads every expert, in file order, and lets go of the reader: nothing is read from then on. Neither hits
  // nor misses nor waiting are counted. `progress` may be empty. REQUIRES a slot for every expert and no
  // request before. The error of the first read that failed, or kCancelled.
  Status preload(const std::function<void(uint64_t bytes_done, uint64_t bytes_total)>& progress,
                 const std::stop_token& cancel);

  Result<ExpertRequest> request(uint32_t layer, std::span<const uint32_t> ids) override;
  StreamCounters counters() const override;
  StreamMode mode() const override { return mode_; }
  size_t capacity_slots() const override { return slots_.size(); }
  uint64_t capacity_bytes() const override { return slots_.size() * layout_.slot_bytes(); }

 private:
  struct Slot {
    uint32_t expert = 0;          // meaningless while the slot is free
    uint32_t pins = 0;            // leases, and arrivals that requests have not handed out yet
    size_t reads_left = 0;        // > 0: being read, and nobody else's until all of its reads have ended
    std::optional<Error> error;   // of the first of its reads that failed
    bool was_abandoned = false;   // whoever it was read for had gone before those who wait now came
    std::vector<Waiter> waiters;  // who gets the expert when the reads have ended
  };
  // An expert that is wanted and has no slot yet.
  struct Miss {
    uint32_t expert;
    std::vector<Waiter> waiters;  // never empty
  };

  SlotStore(StreamMode mode, ExpertCatalog catalog, SlotLayout layout,
            std::unique_ptr<EvictionPolicy> policy);

  std::span<const std::byte> part(uint32_t slot, size_t part) const override;
  void release(uint32_t slot) override;
  uint32_t lease_handle(uint32_t expert) const override { return slot_of_[expert]; }
  void abandon(const RequestCore& request) override;

  ExpertRequest start(std::vector<uint32_t> experts);
  std::vector<std::vector<uint32_t>> batches_in_file_order() const;
  std::span<std::byte> slot_bytes(uint32_t slot) const;

  // All of these REQUIRE mutex. Reads are collected and submitted after it was let go.
  void ask(RequestCore& request, size_t position);
  void wait_for_slot(uint32_t expert, Waiter waiter);
  void pin(Slot& slot);
  void unpin(Slot& slot);
  void forget(const RequestCore& request, uint32_t expert);
  std::optional<uint32_t> take_slot();
  std::vector<ReadOp> grant_slots();
  void start_reads(uint32_t slot, Miss miss, std::vector<ReadOp>& reads);
  void deliver(Slot& slot);
  void drop(uint32_t slot);

  // On a thread of the reader.
  void on_read_done(uint32_t slot, Result<uint64_t> moved_bytes);
  void submit(std::vector<ReadOp> reads);

  const StreamMode mode_;
  const ExpertCatalog catalog_;
  const SlotLayout layout_;
  MappedMemory arena_;
  std::byte* first_slot_ = nullptr;  // in arena_, aligned

  // Guarded by mutex.
  std::unique_ptr<EvictionPolicy> policy_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<uint32_t> slot_of_;  // [experts], kNoSlot where it has none
  std::list<Miss> waiting_;        // for slots, first come first served; an expert stands in it once
  std::unordered_map<uint32_t, std::list<Miss>::iterator> waiting_of_;  // by expert

  std::unique_ptr<Reader> reader_;  // last: its end waits for the reads, which use what stands above
};

}  // namespace sluice
