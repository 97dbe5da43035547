#include "experts/request_core.h"

#include <chrono>
#include <utility>

#include "base/fail.h"

namespace sluice {

RequestCore::RequestCore(RequestDesk& desk, std::vector<uint32_t> experts)
    : desk_(desk), experts_(std::move(experts)) {
  news_.reserve(experts_.size());
}

RequestCore::~RequestCore() {
  if (remaining() > 0) desk_.abandon(*this);
}

size_t RequestCore::remaining() const {
  return experts_.size() - handed_;
}

size_t RequestCore::ready() const {
  const std::lock_guard lock(desk_.mutex);
  return news_.size() - handed_;
}

Result<ExpertArrival> RequestCore::next() {
  if (remaining() == 0)
    return sluice::fail(ErrorCode::kInvalidArgument, "the request has no experts left to hand out");
  std::unique_lock lock(desk_.mutex);
  wait_for_news(lock);
  News& news = news_[handed_++];
  if (news.error) return ExpertArrival{news.position, tl::unexpected(*std::move(news.error))};
  return ExpertArrival{news.position, ExpertLease(desk_, desk_.lease_handle(experts_[news.position]))};
}

void RequestCore::wait_for_news(std::unique_lock<std::mutex>& lock) {
  const auto has_news = [this] { return news_.size() > handed_; };
  if (has_news()) return;
  const auto begin = std::chrono::steady_clock::now();
  changed_.wait(lock, has_news);
  const auto waited = std::chrono::steady_clock::now() - begin;
  desk_.totals.wait_ns +=
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(waited).count());
}

std::vector<uint32_t> RequestCore::unclaimed() const {
  std::vector<uint32_t> experts;
  for (size_t i = handed_; i < news_.size(); ++i) {
    if (!news_[i].error) experts.push_back(experts_[news_[i].position]);
  }
  return experts;
}

void RequestCore::arrive(size_t position) {
  news_.push_back({position, std::nullopt});
  changed_.notify_one();
}

void RequestCore::fail(size_t position, Error error) {
  news_.push_back({position, std::move(error)});
  changed_.notify_one();
}

Result<std::vector<uint32_t>> expert_indices(const ExpertCatalog& catalog, uint32_t layer,
                                             std::span<const uint32_t> ids) {
  if (layer >= catalog.layers()) {
    return fail(ErrorCode::kInvalidArgument, "experts of layer {} were asked for, there are {} layers", layer,
                catalog.layers());
  }
  std::vector<uint32_t> indices;
  indices.reserve(ids.size());
  for (const uint32_t id : ids) {
    if (id >= catalog.experts_per_layer()) {
      return fail(ErrorCode::kInvalidArgument, "layer {}: expert {} was asked for, there are {}", layer, id,
                  catalog.experts_per_layer());
    }
    indices.push_back(catalog.index({layer, id}));
  }
  return indices;
}

Error error_of_expert(const ExpertCatalog& catalog, uint32_t expert, Error error) {
  const ExpertId id = catalog.id(expert);
  return std::move(error).in(fmt::format("layer {}, expert {}", id.layer, id.expert));
}

}  // namespace sluice
