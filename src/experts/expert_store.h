// The experts as the model sees them: ask for some of a layer's, compute each when it is there, let go of it.
//
//   SLUICE_ASSIGN(ExpertRequest request, store.request(layer, ids));
//   ... work that needs none of them, while they are read ...
//   while (request.remaining() > 0) {
//     SLUICE_ASSIGN(const ExpertArrival arrival, request.next());
//     if (!arrival.lease) return arrival.lease.error();  // or go on with the others
//     compute(ids[arrival.index], arrival.lease->part(0), arrival.lease->part(1));
//   }  // the lease ends here, before the next one is waited for
//
// Where the bytes lie, what is kept and how it is read is the store's business; the bytes are the same in
// every mode.
//
// Why nobody waits for ever, however small the store. A store with slots may have fewer than a request asks
// for. It reads as many at once as find a slot; the other misses wait in one queue, first come first served,
// and get slots as leases are released. A slot that cannot be given away is (a) being read, (b) leased, or
// (c) kept for a request that will hand it out: a hit that was pinned when it was asked for, or a read that
// has ended. Suppose that every thread is stuck in next(). By the rule below none of them holds a lease, so
// no slot is in (b). A request with a slot in (c) returns from next() at once, so its thread is not stuck: no
// slot is in (c). A slot in (a) leaves it by itself, for (c) or, after an error, for the queue. Then every
// slot is free, and the head of the queue would have got it. So a request's own hits never starve its misses
// either: they are what next() hands out first, and each of them, released, gives its slot to a miss. One
// slot is enough; more of them only read more at once.
//
// The rule: a thread that calls next() holds no lease, and no other request with experts still to hand out
// (unless the store has slots for all that it asked for, or ready() says that it will not wait); a second
// request is fine on a second thread.
// Whoever has made a request works it off or destroys it, and before that waits for no thread that may be in
// next().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "experts/catalog.h"
#include "experts/expert_map.h"
#include "sluice/result.h"
#include "sluice/streaming.h"

namespace sluice {

// A pin on one expert's bytes: while it lives they stay where they are. Movable; may be released on any
// thread, and read by many. Must end before its store does.
class ExpertLease {
 public:
  // What a store does for its leases. `handle` is the store's own name for what is pinned.
  class Keeper {
   public:
    virtual std::span<const std::byte> part(uint32_t handle, size_t part) const = 0;
    virtual void release(uint32_t handle) = 0;

   protected:
    ~Keeper() = default;
  };

  // Takes over a pin that `keeper` already counts.
  ExpertLease(Keeper& keeper, uint32_t handle) : keeper_(&keeper), handle_(handle) {}
  ExpertLease(ExpertLease&& other) noexcept;
  ExpertLease& operator=(ExpertLease&& other) noexcept;
  ~ExpertLease();

  // The bytes of one part, in the catalog's order; of any alignment. REQUIRES part < parts_per_expert.
  std::span<const std::byte> part(size_t part) const { return keeper_->part(handle_, part); }

 private:
  Keeper* keeper_;  // null once moved from
  uint32_t handle_;
};

// One of the experts that were asked for.
struct ExpertArrival {
  size_t index = 0;  // its position in the ids of the request
  // Or why it could not be read: kIo or kCorrupt, naming layer, expert, file and offset.
  Result<ExpertLease> lease;
};

// What was asked for with one call. Not thread safe; movable. May be destroyed at any time: its reads end in
// the background, what they bring is kept for others, and no other request notices. Must end before its store
// does.
class ExpertRequest {
 public:
  // What a store does for its requests.
  class Source {
   public:
    virtual ~Source() = default;
    virtual size_t remaining() const = 0;
    virtual size_t ready() const = 0;
    virtual Result<ExpertArrival> next() = 0;
  };

  explicit ExpertRequest(std::unique_ptr<Source> source) : source_(std::move(source)) {}

  // How many are still to be handed out.
  size_t remaining() const { return source_->remaining(); }

  // How many of them next() would hand out now without waiting, failed ones included. More may arrive at any
  // time.
  size_t ready() const { return source_->ready(); }

  // Waits until any one that was not handed out yet is there, or has failed: hits first, then in order of
  // arrival. One that failed hurts none of the others. REQUIRES remaining() > 0 (kInvalidArgument otherwise),
  // and the rule at the top of this file.
  Result<ExpertArrival> next() { return source_->next(); }

 private:
  std::unique_ptr<Source> source_;
};

// How sure it is that experts which nobody has asked for yet will be asked for.
enum class Foresight {
  kCertain,  // they follow from what is known already
  kLikely,   // a guess at what the next layers will ask for
  kWarm,     // they were in demand in earlier runs
};

// Warmth has a switch of its own, in whoever asks for it.
inline bool is_allowed(PrefetchMode mode, Foresight foresight) {
  if (foresight == Foresight::kLikely) return mode == PrefetchMode::kLikely;
  return foresight == Foresight::kWarm || mode != PrefetchMode::kOff;
}

// One expert's way from the device: from its first read's beginning to its last one's end.
struct ReadSpan {
  ExpertId id;
  bool was_ahead = false;  // nobody had asked for it when it began
  std::chrono::steady_clock::time_point begin;
  std::chrono::steady_clock::time_point end;
};

// Thread rule: everything may be called from any thread at any time. Two requests that miss the same expert
// share one read. A read that fails is reported to exactly those requests that were waiting for it; the next
// request for that expert reads anew. Made by open_expert_store (experts/open_store.h).
class ExpertStore {
 public:
  // Waits for reads that nobody waits for any more. REQUIRES that all requests and leases have ended.
  virtual ~ExpertStore() = default;

  // Asks for experts `ids` of `layer`, what one token was routed to, in the router's order (or what a few
  // tokens of different sequences were, one after the other), and returns at once: what is in memory is
  // pinned, everything else is queued to be read, all in flight together. An id that stands twice arrives
  // twice. kInvalidArgument when layer or id does not exist.
  virtual Result<ExpertRequest> request(uint32_t layer, std::span<const uint32_t> ids) = 0;

  // The same for what a chunk of tokens was routed to, together. Its misses pass through a few slots of their
  // own, so that what is kept warm for single tokens stays.
  virtual Result<ExpertRequest> sweep(uint32_t layer, std::span<const uint32_t> ids) = 0;

  // Afterwards: one token of a chunk that was swept was routed to `ids` of `layer`. Tokens in their order,
  // and within a token layers ascending. For what is kept; reads nothing. Ids that do not exist are ignored.
  virtual void learn(uint32_t layer, std::span<const uint32_t> ids) = 0;

  // These will be asked for, `by_sweep` or by a token: reads them ahead as far as that takes nothing from
  // anybody who is waiting, and drops whatever has not begun when the layer's request comes. Never an error:
  // what fails is read again for whoever asks. Ids that do not exist are ignored.
  virtual void prefetch(uint32_t layer, std::span<const uint32_t> ids, Foresight foresight,
                        bool by_sweep) = 0;

  // Whether it is worth working out likely ids for prefetch now.
  virtual bool wants_guesses() = 0;

  // Tells `listener` of every expert that is read from now on, on threads of the reader, one at a time; an
  // empty one ends that. It must be quick and not call the store. Stores without slots have nothing to tell.
  virtual void listen(std::function<void(const ReadSpan&)> listener) = 0;

  // Totals since the store was opened; consistent with each other.
  virtual StreamCounters counters() const = 0;
  // Fills `map`, whose memory is used again. It costs requests some ten microseconds: for eyes, not for
  // loops.
  virtual void look(ExpertMap& map) const = 0;

  virtual StreamMode mode() const = 0;
  // How many experts are held at once, and the memory set aside for them. Both 0 in kMmap, where the kernel
  // decides.
  virtual size_t capacity_slots() const = 0;
  virtual uint64_t capacity_bytes() const = 0;
};

}  // namespace sluice
