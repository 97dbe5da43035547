// What every store's requests have in common: a mailbox that arrivals and failures are put into, and the
// wait for them. Internal to this room.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "experts/catalog.h"
#include "experts/expert_store.h"

namespace sluice {

class RequestCore;

// A request's position that waits for an expert.
struct Waiter {
  RequestCore* request;
  size_t position;
};

// The store, as its requests see it. One mutex guards the store, its counters and all its mailboxes: a token
// asks for a few hundred experts, each of them megabytes, so that nobody ever queues for it.
class RequestDesk : public ExpertLease::Keeper {
 public:
  mutable std::mutex mutex;
  StreamCounters totals;  // guarded by mutex

  // The handle of the lease on an expert that has arrived; the pin that was kept for the request becomes the
  // lease's. REQUIRES mutex.
  virtual uint32_t lease_handle(uint32_t expert) const = 0;
  // Forgets what `request` still waits for, and drops the pins that it did not hand out. Takes mutex.
  virtual void abandon(const RequestCore& request) = 0;

 protected:
  ~RequestDesk() = default;
};

// REQUIRES desk.mutex for everything that is not of Source.
class RequestCore final : public ExpertRequest::Source {
 public:
  // `experts`: the catalog's indices of what was asked for, by position.
  RequestCore(RequestDesk& desk, std::vector<uint32_t> experts);
  ~RequestCore() override;

  size_t remaining() const override;
  size_t ready() const override;
  Result<ExpertArrival> next() override;

  const std::vector<uint32_t>& experts() const { return experts_; }
  // Experts that have arrived, are pinned, and were not handed out.
  std::vector<uint32_t> unclaimed() const;

  void arrive(size_t position);
  void fail(size_t position, Error error);

 private:
  struct News {
    size_t position;
    std::optional<Error> error;  // none: it has arrived
  };

  void wait_for_news(std::unique_lock<std::mutex>& lock);

  RequestDesk& desk_;
  const std::vector<uint32_t> experts_;
  std::condition_variable changed_;
  std::vector<News> news_;  // in order of arrival; guarded by desk_.mutex
  size_t handed_ = 0;       // of news_; changed only by the thread that owns the request
};

// The catalog's indices of `ids`; kInvalidArgument when `layer` or one of them does not exist.
Result<std::vector<uint32_t>> expert_indices(const ExpertCatalog& catalog, uint32_t layer,
                                             std::span<const uint32_t> ids);

// `error` with "layer 3, expert 17: " in front.
Error error_of_expert(const ExpertCatalog& catalog, uint32_t expert, Error error);

}  // namespace sluice
