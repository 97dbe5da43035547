// Experts in slots of our own: modes kDirect, where a policy decides who stays, and kResident, where all do.
// Internal to this room; made by open_store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "experts/catalog.h"
#include "experts/eviction_policy.h"
#include "experts/expert_digests.h"
#include "experts/expert_store.h"
#include "experts/flight_clock.h"
#include "experts/heat.h"
#include "experts/prefetch_queue.h"
#include "experts/request_core.h"
#include "experts/slot_arena.h"
#include "experts/slot_layout.h"
#include "experts/waiting_misses.h"

namespace sluice {

class Reader;
struct ReadOp;

// What a store is made of.
struct SlotStoreParts {
  StreamMode mode;
  size_t slots;  // >= 1; more than there are experts are not made
  ExpertCatalog catalog;
  SlotLayout layout;
  std::unique_ptr<EvictionPolicy> policy;
  std::unique_ptr<Reader> reader;
  PrefetchMode prefetch;
  std::shared_ptr<Heat> heat;                    // may be null
  std::shared_ptr<const ExpertDigests> digests;  // may be null
};

// One arena, cut into slots of equal size. A slot is free, being read, or holds an expert; a held expert is
// pinned as long as leases, or requests that will hand it out, depend on it, and otherwise the policy's to
// evict.
//
// Sweeps take free slots first, then at most transient_limit_ of the others, which they use over and over.
// What such a slot holds is the first to go, unless a token asks for it.
//
// Reads that nobody waits for begin only when every miss has its slot.
class SlotStore final : public ExpertStore, private RequestDesk {
 public:
  // kOutOfBudget when the memory cannot be had.
  static Result<std::unique_ptr<SlotStore>> create(SlotStoreParts parts);
  ~SlotStore() override;

  // Reads every expert, in file order, and lets go of the reader: nothing is read from then on. Neither hits
  // nor misses nor waiting are counted. `progress` may be empty. REQUIRES a slot for every expert and no
  // request before. The error of the first read that failed, or kCancelled.
  Status preload(const std::function<void(uint64_t bytes_done, uint64_t bytes_total)>& progress,
                 const std::stop_token& cancel);

  Result<ExpertRequest> request(uint32_t layer, std::span<const uint32_t> ids) override;
  Result<ExpertRequest> sweep(uint32_t layer, std::span<const uint32_t> ids) override;
  void learn(uint32_t layer, std::span<const uint32_t> ids) override;
  void prefetch(uint32_t layer, std::span<const uint32_t> ids, Foresight foresight, bool by_sweep) override;
  bool wants_guesses() override;
  void listen(std::function<void(const ReadSpan&)> listener) override;
  StreamCounters counters() const override;
  void look(ExpertMap& map) const override;
  StreamMode mode() const override { return mode_; }
  size_t capacity_slots() const override { return slots_.size(); }
  uint64_t capacity_bytes() const override { return slots_.size() * layout_.slot_bytes(); }

 private:
  static constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();

  struct Slot {
    std::chrono::steady_clock::time_point read_begin;  // set while somebody listens
    uint32_t expert = 0;                               // meaningless while the slot is free
    uint32_t pins = 0;               // leases, and arrivals that requests have not handed out yet
    size_t reads_left = 0;           // > 0: being read, and nobody else's until all of its reads have ended
    std::optional<Error> error;      // of the first of its reads that failed
    bool was_abandoned = false;      // whoever it was read for had gone before those who wait now came
    bool is_ahead = false;           // nobody had asked for it when its reads began
    bool is_transient = false;       // a sweep's, and counted in transient_slots_
    std::optional<Foresight> guess;  // read ahead, and nobody has asked for it yet
    std::vector<Waiter> waiters;     // who gets the expert when the reads have ended
  };
  struct TakenSlot {
    uint32_t number;
    bool was_free;
  };

  explicit SlotStore(SlotStoreParts parts);

  std::span<const std::byte> part(uint32_t slot, size_t part) const override;
  void release(uint32_t slot) override;
  uint32_t lease_handle(uint32_t expert) const override { return slot_of_[expert]; }
  void abandon(const RequestCore& request) override;

  // `lock`: of mutex.
  ExpertRequest start(std::unique_lock<std::mutex> lock, std::vector<uint32_t> experts, bool for_sweep);
  std::vector<uint32_t> existing(uint32_t layer, std::span<const uint32_t> ids) const;
  std::vector<std::vector<uint32_t>> batches_in_file_order() const;

  // All of these REQUIRE mutex. Reads are collected and submitted after it was let go.
  void on_route(uint32_t layer, std::span<const uint32_t> experts);
  void ask(RequestCore& request, size_t position, bool for_sweep);
  bool take_in_read(uint32_t slot, Result<uint64_t> moved_bytes);
  void pin(Slot& slot);
  void unpin(Slot& slot);
  void forget(const RequestCore& request, uint32_t expert);
  void make_ordinary(Slot& slot);
  void settle_guess(Slot& slot, bool was_useful);
  std::optional<TakenSlot> take_slot(bool for_sweep);
  // Of the sweeps' slots, the oldest that may be taken.
  std::optional<uint32_t> take_transient(bool also_guessed);
  uint32_t evict(uint32_t expert);
  std::vector<ReadOp> grant_slots();
  void grant_guesses(std::vector<ReadOp>& reads);
  std::optional<TakenSlot> take_slot(const Guess& guess);
  void start_reads(TakenSlot taken, Miss& miss, std::vector<ReadOp>& reads);
  void tell_listener(const Slot& slot) const;
  void deliver(Slot& slot);
  void drop(uint32_t slot);

  // On a thread of the reader.
  void on_read_done(uint32_t slot, Result<uint64_t> moved_bytes);
  // What the digests say of a slot that all reads have filled.
  Status check_bytes(uint32_t slot) const;
  void submit(std::vector<ReadOp> reads);

  const StreamMode mode_;
  const PrefetchMode prefetch_;
  const ExpertCatalog catalog_;
  const SlotLayout layout_;
  const std::shared_ptr<const ExpertDigests> digests_;
  SlotArena arena_;
  size_t transient_limit_ = 0;  // >= 1

  // Guarded by mutex.
  std::unique_ptr<EvictionPolicy> policy_;
  std::shared_ptr<Heat> heat_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<uint32_t> slot_of_;          // [experts], kNoSlot where it has none
  std::vector<uint32_t> uses_;             // [experts], routes of tokens
  WaitingMisses waiting_;                  // for slots
  std::vector<uint32_t> transient_slots_;  // oldest first
  PrefetchQueue guesses_;
  size_t slots_in_flight_ = 0;    // being read
  size_t guesses_in_flight_ = 0;  // of them, those that nobody has asked for
  FlightClock flights_;
  std::function<void(const ReadSpan&)> listener_;

  std::unique_ptr<Reader> reader_;  // last: its end waits for the reads, which use what stands above
};

}  // namespace sluice
