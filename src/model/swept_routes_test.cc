#include "model/swept_routes.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>
#include <vector>

namespace sluice {
namespace {

// Writes down what it is taught.
class Pupil final : public ExpertStore {
 public:
  using Route = std::pair<uint32_t, std::vector<uint32_t>>;

  void learn(uint32_t layer, std::span<const uint32_t> ids) override {
    routes.emplace_back(layer, std::vector<uint32_t>(ids.begin(), ids.end()));
  }
  Result<ExpertRequest> request(uint32_t, std::span<const uint32_t>) override { std::abort(); }
  Result<ExpertRequest> sweep(uint32_t, std::span<const uint32_t>) override { std::abort(); }
  void prefetch(uint32_t, std::span<const uint32_t>, Foresight, bool) override {}
  bool wants_guesses() override { return false; }
  void listen(std::function<void(const ReadSpan&)>) override {}
  StreamCounters counters() const override { return {}; }
  void look(ExpertMap&) const override {}
  StreamMode mode() const override { return StreamMode::kDirect; }
  size_t capacity_slots() const override { return 0; }
  uint64_t capacity_bytes() const override { return 0; }

  std::vector<Route> routes;
};

TEST(SweptRoutes, ComeLayerByLayerAndGoTokenByToken) {
  SweptRoutes swept(2, 3);
  uint32_t of_layer_0[] = {1, 2, 3, 4, 5, 6};
  uint32_t of_layer_1[] = {7, 8, 9, 10, 11, 12};
  swept.record(0, {of_layer_0, nullptr}, 2);
  swept.record(1, {of_layer_1, nullptr}, 2);
  Pupil pupil;
  swept.teach(pupil, 2);
  const std::vector<Pupil::Route> expected = {
      {0, {1, 2, 3}}, {1, {7, 8, 9}}, {0, {4, 5, 6}}, {1, {10, 11, 12}}};
  EXPECT_EQ(pupil.routes, expected);
}

TEST(SweptRoutes, OfALongChunkKeepTheLastTokens) {
  constexpr uint32_t kTokens = SweptRoutes::kTokens + 10;
  SweptRoutes swept(1, 1);
  std::vector<uint32_t> experts(kTokens);
  for (uint32_t token = 0; token < kTokens; ++token) experts[token] = token;
  swept.record(0, {experts.data(), nullptr}, kTokens);
  Pupil pupil;
  swept.teach(pupil, 1);
  ASSERT_EQ(pupil.routes.size(), SweptRoutes::kTokens);
  EXPECT_EQ(pupil.routes.front().second, std::vector<uint32_t>{10});
  EXPECT_EQ(pupil.routes.back().second, std::vector<uint32_t>{kTokens - 1});
}

}  // namespace
}  // namespace sluice
