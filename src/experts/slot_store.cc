#include "experts/slot_store.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/fail.h"
#include "storage/reader.h"

namespace sluice {
namespace {
constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();
// Enough reads for any device's queue, few enough that an error or a cancelled start is not kept waiting.
constexpr size_t kPreloadBatch = 32;
}  // namespace

SlotStore::SlotStore(StreamMode mode, ExpertCatalog catalog, SlotLayout layout,
                     std::unique_ptr<EvictionPolicy> policy)
    : mode_(mode),
      catalog_(std::move(catalog)),
      layout_(std::move(layout)),
      policy_(std::move(policy)),
      slot_of_(catalog_.expert_count(), kNoSlot) {}

Result<std::unique_ptr<SlotStore>> SlotStore::create(StreamMode mode, size_t slots, ExpertCatalog catalog,
                                                     SlotLayout layout,
                                                     std::unique_ptr<EvictionPolicy> policy,
                                                     std::unique_ptr<Reader> reader) {
  assert(slots >= 1);
  slots = std::min<size_t>(slots, catalog.expert_count());
  std::unique_ptr<SlotStore> store(
      new SlotStore(mode, std::move(catalog), std::move(layout), std::move(policy)));
  const size_t alignment_bytes = store->layout_.slot_alignment_bytes();
  SLUICE_ASSIGN(store->arena_, MappedMemory::allocate(slots * store->layout_.slot_bytes() + alignment_bytes));
  const auto address = reinterpret_cast<uintptr_t>(store->arena_.data());
  store->first_slot_ = store->arena_.data() + (round_up(address, alignment_bytes) - address);
  store->slots_.resize(slots);
  store->free_slots_.resize(slots);
  // The free list is used from its end: slot 0 first.
  std::iota(store->free_slots_.rbegin(), store->free_slots_.rend(), 0U);
  store->reader_ = std::move(reader);
  return store;
}

SlotStore::~SlotStore() {
  reader_.reset();
  assert(std::ranges::all_of(slots_, [](const Slot& slot) { return slot.pins == 0; }));
}

StreamCounters SlotStore::counters() const {
  const std::lock_guard lock(mutex);
  return totals;
}

std::span<std::byte> SlotStore::slot_bytes(uint32_t slot) const {
  return {first_slot_ + slot * layout_.slot_bytes(), layout_.slot_bytes()};
}

std::span<const std::byte> SlotStore::part(uint32_t slot, size_t part) const {
  // The lease pins the slot, so that its expert does not change while this looks.
  const uint32_t expert = slots_[slot].expert;
  return slot_bytes(slot).subspan(layout_.part_offset_bytes(expert, part),
                                  catalog_.parts(expert)[part].size_bytes);
}

Result<ExpertRequest> SlotStore::request(uint32_t layer, std::span<const uint32_t> ids) {
  SLUICE_ASSIGN(auto experts, expert_indices(catalog_, layer, ids));
  return start(std::move(experts));
}

ExpertRequest SlotStore::start(std::vector<uint32_t> experts) {
  auto core = std::make_unique<RequestCore>(static_cast<RequestDesk&>(*this), std::move(experts));
  std::vector<ReadOp> reads;
  {
    const std::lock_guard lock(mutex);
    // Slots are given away only after all hits are pinned: no miss evicts what its own request asks for.
    for (size_t position = 0; position < core->experts().size(); ++position) ask(*core, position);
    reads = grant_slots();
  }
  submit(std::move(reads));
  return ExpertRequest(std::move(core));
}

void SlotStore::ask(RequestCore& request, size_t position) {
  const uint32_t expert = request.experts()[position];
  if (slot_of_[expert] == kNoSlot) {
    ++totals.misses;
    wait_for_slot(expert, {&request, position});
    return;
  }
  Slot& slot = slots_[slot_of_[expert]];
  policy_->on_hit(expert);
  if (slot.reads_left > 0) {
    ++totals.misses;
    if (slot.waiters.empty()) slot.was_abandoned = true;
    slot.waiters.push_back({&request, position});
    return;
  }
  ++totals.hits;
  pin(slot);
  request.arrive(position);
}

void SlotStore::wait_for_slot(uint32_t expert, Waiter waiter) {
  const auto [found, is_new] = waiting_of_.try_emplace(expert);
  if (is_new) found->second = waiting_.insert(waiting_.end(), Miss{expert, {}});
  found->second->waiters.push_back(waiter);
}

void SlotStore::pin(Slot& slot) {
  if (slot.pins++ == 0) policy_->on_pin(slot.expert);
}

void SlotStore::unpin(Slot& slot) {
  assert(slot.pins > 0);
  if (--slot.pins == 0) policy_->on_unpin(slot.expert);
}

void SlotStore::release(uint32_t slot) {
  std::vector<ReadOp> reads;
  {
    const std::lock_guard lock(mutex);
    unpin(slots_[slot]);
    reads = grant_slots();
  }
  submit(std::move(reads));
}

void SlotStore::abandon(const RequestCore& request) {
  std::vector<ReadOp> reads;
  {
    const std::lock_guard lock(mutex);
    for (const uint32_t expert : request.unclaimed()) unpin(slots_[slot_of_[expert]]);
    for (const uint32_t expert : request.experts()) forget(request, expert);
    reads = grant_slots();
  }
  submit(std::move(reads));
}

void SlotStore::forget(const RequestCore& request, uint32_t expert) {
  const auto is_its = [&](const Waiter& waiter) { return waiter.request == &request; };
  if (slot_of_[expert] != kNoSlot) {
    std::erase_if(slots_[slot_of_[expert]].waiters, is_its);
    return;
  }
  const auto found = waiting_of_.find(expert);
  if (found == waiting_of_.end()) return;
  std::erase_if(found->second->waiters, is_its);
  if (!found->second->waiters.empty()) return;
  waiting_.erase(found->second);
  waiting_of_.erase(found);
}

std::optional<uint32_t> SlotStore::take_slot() {
  if (!free_slots_.empty()) {
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  const std::optional<uint32_t> victim = policy_->victim();
  if (!victim) return std::nullopt;
  policy_->on_evict(*victim);
  ++totals.evictions;
  const uint32_t slot = std::exchange(slot_of_[*victim], kNoSlot);
  assert(slots_[slot].pins == 0 && slots_[slot].reads_left == 0);
  return slot;
}

std::vector<ReadOp> SlotStore::grant_slots() {
  std::vector<ReadOp> reads;
  while (!waiting_.empty()) {
    const std::optional<uint32_t> slot = take_slot();
    if (!slot) break;
    Miss miss = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_of_.erase(miss.expert);
    start_reads(*slot, std::move(miss), reads);
  }
  return reads;
}

void SlotStore::start_reads(uint32_t slot, Miss miss, std::vector<ReadOp>& reads) {
  const auto plan = layout_.reads(miss.expert);
  slots_[slot] = {miss.expert, 0, plan.size(), std::nullopt, false, std::move(miss.waiters)};
  slot_of_[miss.expert] = slot;
  policy_->on_insert(miss.expert);
  for (const SlotRead& read : plan) {
    reads.push_back(
        {read.file, read.offset_bytes, slot_bytes(slot).subspan(read.slot_offset_bytes, read.size_bytes),
         read.needed_bytes,
         [this, slot](Result<uint64_t> moved_bytes) { on_read_done(slot, std::move(moved_bytes)); }});
  }
}

void SlotStore::on_read_done(uint32_t slot_number, Result<uint64_t> moved_bytes) {
  std::vector<ReadOp> reads;
  {
    const std::lock_guard lock(mutex);
    Slot& slot = slots_[slot_number];
    if (moved_bytes) {
      ++totals.reads;
      totals.read_bytes += *moved_bytes;
    } else {
      ++totals.failed_reads;
      if (!slot.error) slot.error = error_of_expert(catalog_, slot.expert, std::move(moved_bytes).error());
    }
    // A slot with an error stays taken until its last read has ended: until then the device may write to it.
    if (--slot.reads_left > 0) return;
    if (slot.error) {
      drop(slot_number);
    } else {
      deliver(slot);
    }
    reads = grant_slots();
  }
  submit(std::move(reads));
}

void SlotStore::deliver(Slot& slot) {
  slot.pins = static_cast<uint32_t>(slot.waiters.size());
  for (const Waiter& waiter : slot.waiters) waiter.request->arrive(waiter.position);
  slot.waiters.clear();
  if (slot.pins == 0) policy_->on_unpin(slot.expert);
}

void SlotStore::drop(uint32_t slot_number) {
  Slot& slot = slots_[slot_number];
  policy_->on_evict(slot.expert);
  slot_of_[slot.expert] = kNoSlot;
  for (const Waiter& waiter : slot.waiters) {
    if (slot.was_abandoned) {
      // They came after whoever this read was for: it is read anew for them.
      wait_for_slot(slot.expert, waiter);
    } else {
      waiter.request->fail_with(*slot.error);
    }
  }
  slot = Slot{};
  free_slots_.push_back(slot_number);
}

void SlotStore::submit(std::vector<ReadOp> reads) {
  if (reads.empty()) return;
  assert(reader_ != nullptr);
  reader_->submit(std::move(reads));
}

std::vector<std::vector<uint32_t>> SlotStore::batches_in_file_order() const {
  std::vector<uint32_t> order(catalog_.expert_count());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [this](uint32_t expert) {
    const SlotRead& first = layout_.reads(expert).front();
    return std::tuple(first.file, first.offset_bytes);
  });
  std::vector<std::vector<uint32_t>> batches;
  for (size_t begin = 0; begin < order.size(); begin += kPreloadBatch) {
    const auto batch = std::span(order).subspan(begin, std::min(kPreloadBatch, order.size() - begin));
    batches.emplace_back(batch.begin(), batch.end());
  }
  return batches;
}

Status SlotStore::preload(const std::function<void(uint64_t, uint64_t)>& progress,
                          const std::stop_token& cancel) {
  assert(slots_.size() == catalog_.expert_count());
  const auto batches = batches_in_file_order();
  uint64_t done_bytes = 0;
  ExpertRequest current = start(batches.front());
  for (size_t batch = 0; batch < batches.size(); ++batch) {
    // The next batch is on its way before this one has arrived, so that the device never pauses.
    ExpertRequest following =
        start(batch + 1 < batches.size() ? batches[batch + 1] : std::vector<uint32_t>{});
    while (current.remaining() > 0) {
      if (cancel.stop_requested()) return fail(ErrorCode::kCancelled, "loading the experts was cancelled");
      SLUICE_ASSIGN(const ExpertArrival arrival, current.next());
      done_bytes += catalog_.expert_bytes(batches[batch][arrival.index]);
      if (progress) progress(done_bytes, catalog_.total_bytes());
    }
    current = std::move(following);
  }
  reader_.reset();
  // Nothing of this was asked for on behalf of a token.
  const std::lock_guard lock(mutex);
  totals.misses = 0;
  totals.wait_ns = 0;
  return {};
}

}  // namespace sluice
