#include "experts/gathered_request.h"

#include <deque>

#include "base/fail.h"

namespace sluice {
namespace {

class GatheredSource final : public ExpertRequest::Source {
 public:
  explicit GatheredSource(ExpertRequest request) : request_(std::move(request)) {}

  size_t remaining() const override { return arrived_.size() + request_.remaining(); }
  size_t ready() const override { return request_.remaining() > 0 ? 0 : arrived_.size(); }

  Result<ExpertArrival> next() override {
    if (remaining() == 0) return request_.next();  // says what is wrong
    while (request_.remaining() > 0) {
      SLUICE_ASSIGN(auto arrival, request_.next());
      arrived_.push_back(std::move(arrival));
    }
    ExpertArrival first = std::move(arrived_.front());
    arrived_.pop_front();
    return first;
  }

 private:
  ExpertRequest request_;
  std::deque<ExpertArrival> arrived_;  // not handed out yet; all of them, after the first call of next()
};

}  // namespace

ExpertRequest gathered(ExpertRequest request) {
  return ExpertRequest(std::make_unique<GatheredSource>(std::move(request)));
}

}  // namespace sluice
