#include "experts/expert_store.h"

#include <utility>

namespace sluice {

ExpertLease::ExpertLease(ExpertLease&& other) noexcept
    : keeper_(std::exchange(other.keeper_, nullptr)), handle_(other.handle_) {}

ExpertLease& ExpertLease::operator=(ExpertLease&& other) noexcept {
  if (this == &other) return *this;
  if (keeper_ != nullptr) keeper_->release(handle_);
  keeper_ = std::exchange(other.keeper_, nullptr);
  handle_ = other.handle_;
  return *this;
}

ExpertLease::~ExpertLease() {
  if (keeper_ != nullptr) keeper_->release(handle_);
}

}  // namespace sluice
