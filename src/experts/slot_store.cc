#include "experts/slot_store.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "storage/reader.h"

namespace sluice {
namespace {
// Of a sweep: as many as keep a device busy while others are computed, but no more than a small share of a
// cache.
constexpr size_t kLeastTransients = 4;
constexpr size_t kMostTransients = 64;
constexpr size_t kTransientShare = 8;  // one slot in so many
}  // namespace

SlotStore::SlotStore(SlotStoreParts parts)
    : mode_(parts.mode),
      prefetch_(parts.prefetch),
      catalog_(std::move(parts.catalog)),
      layout_(std::move(parts.layout)),
      digests_(std::move(parts.digests)),
      policy_(std::move(parts.policy)),
      heat_(std::move(parts.heat)),
      slot_of_(catalog_.expert_count(), kNoSlot),
      uses_(catalog_.expert_count()) {}

Result<std::unique_ptr<SlotStore>> SlotStore::create(SlotStoreParts parts) {
  assert(parts.slots >= 1);
  const size_t slots = std::min<size_t>(parts.slots, parts.catalog.expert_count());
  std::unique_ptr<Reader> reader = std::move(parts.reader);
  std::unique_ptr<SlotStore> store(new SlotStore(std::move(parts)));
  const SlotLayout& layout = store->layout_;
  SLUICE_ASSIGN(store->arena_,
                SlotArena::allocate(slots, layout.slot_bytes(), layout.slot_alignment_bytes()));
  store->slots_.resize(slots);
  store->transient_limit_ =
      std::clamp(slots / kTransientShare, std::min(slots, kLeastTransients), kMostTransients);
  store->free_slots_.resize(slots);
  // The free list is used from its end: slot 0 first.
  std::iota(store->free_slots_.rbegin(), store->free_slots_.rend(), 0U);
  store->reader_ = std::move(reader);
  store->reader_->will_read_into(store->arena_.all());
  return store;
}

// The reader ends first, being the last member. Until it has, its threads may hand it reads, but no new
// guesses.
SlotStore::~SlotStore() {
  const std::lock_guard lock(mutex);
  guesses_.clear();
  assert(std::ranges::all_of(slots_, [](const Slot& slot) { return slot.pins == 0; }));
}

StreamCounters SlotStore::counters() const {
  const std::lock_guard lock(mutex);
  return totals;
}

// Slot by slot: there are fewer of them than experts.
void SlotStore::look(ExpertMap& map) const {
  map.layers = catalog_.layers();
  map.experts_per_layer = catalog_.experts_per_layer();
  map.places.assign(catalog_.expert_count(), ExpertPlace::kDevice);
  map.uses.resize(catalog_.expert_count());
  const std::lock_guard lock(mutex);
  std::ranges::copy(uses_, map.uses.begin());
  for (uint32_t number = 0; number < slots_.size(); ++number) {
    const Slot& slot = slots_[number];
    if (slot_of_[slot.expert] != number) continue;  // it is free
    map.places[slot.expert] = slot.reads_left > 0 ? ExpertPlace::kReading : ExpertPlace::kMemory;
  }
}

std::span<const std::byte> SlotStore::part(uint32_t slot, size_t part) const {
  // The lease pins the slot, so that its expert does not change while this looks.
  const uint32_t expert = slots_[slot].expert;
  return arena_.slot(slot).subspan(layout_.part_offset_bytes(expert, part),
                                   catalog_.parts(expert)[part].size_bytes);
}

Result<ExpertRequest> SlotStore::request(uint32_t layer, std::span<const uint32_t> ids) {
  SLUICE_ASSIGN(auto experts, expert_indices(catalog_, layer, ids));
  std::unique_lock lock(mutex);
  on_route(layer, experts);
  guesses_.expire(layer);
  return start(std::move(lock), std::move(experts), false);
}

Result<ExpertRequest> SlotStore::sweep(uint32_t layer, std::span<const uint32_t> ids) {
  SLUICE_ASSIGN(auto experts, expert_indices(catalog_, layer, ids));
  std::unique_lock lock(mutex);
  guesses_.expire(layer);
  return start(std::move(lock), std::move(experts), true);
}

ExpertRequest SlotStore::start(std::unique_lock<std::mutex> lock, std::vector<uint32_t> experts,
                               bool for_sweep) {
  auto core = std::make_unique<RequestCore>(static_cast<RequestDesk&>(*this), std::move(experts));
  // Slots are given away only after all hits are pinned: no miss evicts what its own request asks for.
  for (size_t position = 0; position < core->experts().size(); ++position) ask(*core, position, for_sweep);
  std::vector<ReadOp> reads = grant_slots();
  lock.unlock();
  submit(std::move(reads));
  return ExpertRequest(std::move(core));
}

std::vector<uint32_t> SlotStore::existing(uint32_t layer, std::span<const uint32_t> ids) const {
  std::vector<uint32_t> experts;
  if (layer >= catalog_.layers()) return experts;
  for (const uint32_t id : ids) {
    if (id < catalog_.experts_per_layer()) experts.push_back(catalog_.index({layer, id}));
  }
  return experts;
}

void SlotStore::on_route(uint32_t layer, std::span<const uint32_t> experts) {
  for (const uint32_t expert : experts) ++uses_[expert];
  policy_->on_route(layer, experts);
  if (heat_) heat_->on_route(layer, experts);
}

void SlotStore::learn(uint32_t layer, std::span<const uint32_t> ids) {
  const std::vector<uint32_t> experts = existing(layer, ids);
  const std::lock_guard lock(mutex);
  on_route(layer, experts);
  for (const uint32_t expert : experts) {
    if (slot_of_[expert] == kNoSlot) continue;
    make_ordinary(slots_[slot_of_[expert]]);
    policy_->on_hit(expert);
  }
}

void SlotStore::prefetch(uint32_t layer, std::span<const uint32_t> ids, Foresight foresight, bool by_sweep) {
  if (!is_allowed(prefetch_, foresight)) return;
  const std::vector<uint32_t> experts = existing(layer, ids);
  std::vector<ReadOp> reads;
  {
    const std::lock_guard lock(mutex);
    if (reader_ == nullptr) return;                                      // everything is in memory
    if (foresight == Foresight::kLikely) guesses_.forget_likely(layer);  // an older guess, from further away
    for (const uint32_t expert : experts) {
      if (slot_of_[expert] == kNoSlot) guesses_.add({expert, layer, foresight, by_sweep});
    }
    reads = grant_slots();
  }
  submit(std::move(reads));
}

bool SlotStore::wants_guesses() {
  if (prefetch_ != PrefetchMode::kLikely || slots_.size() == catalog_.expert_count()) return false;
  const std::lock_guard lock(mutex);
  return guesses_.wants_likely();
}

void SlotStore::listen(std::function<void(const ReadSpan&)> listener) {
  const std::lock_guard lock(mutex);
  listener_ = std::move(listener);
}

void SlotStore::ask(RequestCore& request, size_t position, bool for_sweep) {
  const uint32_t expert = request.experts()[position];
  if (slot_of_[expert] == kNoSlot) {
    ++totals.misses;
    waiting_.add(expert, {&request, position}, for_sweep);
    return;
  }
  Slot& slot = slots_[slot_of_[expert]];
  if (slot.guess) settle_guess(slot, true);
  if (!for_sweep) {
    make_ordinary(slot);
    policy_->on_hit(expert);
  }
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

void SlotStore::make_ordinary(Slot& slot) {
  if (!std::exchange(slot.is_transient, false)) return;
  std::erase(transient_slots_, static_cast<uint32_t>(&slot - slots_.data()));
}

void SlotStore::settle_guess(Slot& slot, bool was_useful) {
  const Foresight foresight = *std::exchange(slot.guess, std::nullopt);
  if (slot.reads_left > 0) --guesses_in_flight_;
  const uint64_t bytes = catalog_.expert_bytes(slot.expert);
  (was_useful ? totals.prefetch_useful_bytes : totals.prefetch_wasted_bytes) += bytes;
  if (foresight == Foresight::kLikely) guesses_.record(was_useful);
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
  if (slot_of_[expert] == kNoSlot) return waiting_.forget(request, expert);
  std::erase_if(slots_[slot_of_[expert]].waiters,
                [&](const Waiter& waiter) { return waiter.request == &request; });
}

void SlotStore::start_reads(TakenSlot taken, Miss& miss, std::vector<ReadOp>& reads) {
  const auto plan = layout_.reads(miss.expert);
  Slot& slot = slots_[taken.number];
  slot = Slot{};
  slot.expert = miss.expert;
  slot.reads_left = plan.size();
  slot.waiters = std::move(miss.waiters);
  slot.is_transient = miss.for_sweep && !taken.was_free;
  if (slot.is_transient) transient_slots_.push_back(taken.number);
  slot_of_[miss.expert] = taken.number;
  policy_->on_insert(miss.expert);
  ++slots_in_flight_;
  if (listener_) slot.read_begin = std::chrono::steady_clock::now();
  flights_.begin(plan.size(), totals);
  for (const SlotRead& read : plan) {
    reads.push_back({read.file, read.offset_bytes,
                     arena_.slot(taken.number).subspan(read.slot_offset_bytes, read.size_bytes),
                     read.needed_bytes, [this, number = taken.number](Result<uint64_t> moved_bytes) {
                       on_read_done(number, std::move(moved_bytes));
                     }});
  }
}

void SlotStore::on_read_done(uint32_t slot_number, Result<uint64_t> moved_bytes) {
  std::vector<ReadOp> reads;
  {
    std::unique_lock lock(mutex);
    if (!take_in_read(slot_number, std::move(moved_bytes))) return;
    Slot& slot = slots_[slot_number];
    if (digests_ && !slot.error) {
      lock.unlock();  // still being read, as far as everybody else can see
      const Status checked = check_bytes(slot_number);
      lock.lock();
      if (!checked) slot.error = checked.error();
    }
    slot.reads_left = 0;
    --slots_in_flight_;
    if (listener_) tell_listener(slot);
    if (slot.guess) --guesses_in_flight_;
    if (slot.error) {
      drop(slot_number);
    } else {
      deliver(slot);
    }
    reads = grant_slots();
  }
  submit(std::move(reads));
}

// Whether that was the slot's last read. A slot with an error stays taken until then: the device may write to
// it.
bool SlotStore::take_in_read(uint32_t slot_number, Result<uint64_t> moved_bytes) {
  Slot& slot = slots_[slot_number];
  flights_.end_one(totals);
  if (moved_bytes) {
    ++totals.reads;
    totals.read_bytes += *moved_bytes;
  } else {
    ++totals.failed_reads;
    if (!slot.error) slot.error = error_of_expert(catalog_, slot.expert, std::move(moved_bytes).error());
  }
  if (slot.reads_left == 1) return true;
  --slot.reads_left;
  return false;
}

Status SlotStore::check_bytes(uint32_t slot) const {
  const uint32_t expert = slots_[slot].expert;
  std::vector<std::span<const std::byte>> parts;
  for (size_t i = 0; i < catalog_.parts_per_expert(); ++i) parts.push_back(part(slot, i));
  return digests_->check(expert, parts);
}

void SlotStore::tell_listener(const Slot& slot) const {
  if (slot.read_begin == std::chrono::steady_clock::time_point()) return;  // it began before anybody listened
  listener_({catalog_.id(slot.expert), slot.is_ahead, slot.read_begin, std::chrono::steady_clock::now()});
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
      waiting_.add(slot.expert, waiter, slot.is_transient);
    } else {
      waiter.request->fail(waiter.position, *slot.error);
    }
  }
  make_ordinary(slot);
  if (slot.guess) settle_guess(slot, false);
  slot = Slot{};
  free_slots_.push_back(slot_number);
}

void SlotStore::submit(std::vector<ReadOp> reads) {
  if (reads.empty()) return;
  assert(reader_ != nullptr);
  reader_->submit(std::move(reads));
}

}  // namespace sluice
