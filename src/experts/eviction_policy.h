// Which expert to drop when a slot is wanted.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace sluice {

// Told of everything that happens to the experts that hold slots; asked for a victim when none is free.
// Experts are the catalog's indices. Only unpinned experts may be victims. Not thread safe: the store calls
// it under its lock, so that every call must be quick: microseconds.
class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;

  // One token was routed to `experts` of `layer`, in the router's order; told before anything that follows
  // from it. Layers ascend within a token: one that is not above the last begins the next token. Policies
  // that look at hits and misses alone need not listen.
  virtual void on_route(uint32_t /*layer*/, std::span<const uint32_t> /*experts*/) {}

  // The expert was given a slot. It is pinned: its bytes are about to be read.
  virtual void on_insert(uint32_t expert) = 0;
  // It was asked for again while it had a slot, pinned or not.
  virtual void on_hit(uint32_t expert) = 0;
  // Somebody began to depend on its bytes; the last one who did has let go.
  virtual void on_pin(uint32_t expert) = 0;
  virtual void on_unpin(uint32_t expert) = 0;
  // It lost its slot, as a victim (unpinned) or because its bytes could not be read (pinned).
  virtual void on_evict(uint32_t expert) = 0;

  // The unpinned expert that is missed least, by this policy's lights; none when all are pinned. Changes
  // nothing.
  virtual std::optional<uint32_t> victim() const = 0;

  // Whether `victim` should make room for `guess`, an expert that will probably be asked for in a moment.
  virtual bool gives_way(uint32_t /*victim*/, uint32_t /*guess*/) const { return true; }
};

}  // namespace sluice
