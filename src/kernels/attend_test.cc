#include "kernels/attend.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <tuple>
#include <vector>

#include "kernels/rows_testing.h"

namespace sluice {
namespace {

class Attend : public testing::TestWithParam<std::tuple<RowFormat, size_t, size_t, size_t>> {};

INSTANTIATE_TEST_SUITE_P(Shapes, Attend,
                         testing::Combine(testing::Values(RowFormat::kF32, RowFormat::kF16, RowFormat::kBF16),
                                          testing::Values(1, 8, 11), testing::Values(1, 31, 32, 100),
                                          testing::Values(2, 19, 64)));

std::vector<float> normal_floats(std::mt19937& random, size_t count) {
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

TEST_P(Attend, IsSoftmaxOverRowsAndSink) {
  const auto [format, heads, row_count, width] = GetParam();
  std::mt19937 random(7);
  const auto q = normal_floats(random, heads * width);
  const auto sinks = normal_floats(random, heads);
  const StoredRows rows(format, normal_floats(random, row_count * width), width);
  std::vector<float> out(heads * width);
  attend(q.data(), heads, rows.view(), width, 0.25F, sinks.data(), out.data());
  for (size_t h = 0; h < heads; ++h) {
    std::vector<double> scores;
    double largest = sinks[h];
    for (size_t r = 0; r < row_count; ++r) {
      double score = 0;
      for (size_t c = 0; c < width; ++c) score += double{q[h * width + c]} * double{rows.value(r, c)};
      scores.push_back(0.25 * score);
      largest = std::max(largest, scores.back());
    }
    double total = std::exp(sinks[h] - largest);
    for (const double score : scores) total += std::exp(score - largest);
    for (size_t c = 0; c < width; ++c) {
      double expected = 0;
      for (size_t r = 0; r < row_count; ++r)
        expected += std::exp(scores[r] - largest) / total * double{rows.value(r, c)};
      EXPECT_NEAR(out[h * width + c], expected, 2e-5);
    }
    // A head alone has the same bits.
    std::vector<float> alone(width);
    attend(q.data() + h * width, 1, rows.view(), width, 0.25F, &sinks[h], alone.data());
    EXPECT_EQ(alone, std::vector(out.begin() + static_cast<std::ptrdiff_t>(h * width),
                                 out.begin() + static_cast<std::ptrdiff_t>((h + 1) * width)));
  }
}

// What is stored in half the bytes means the same to every later step.
TEST(AttendFormats, RowsOfEqualValuesGiveEqualBits) {
  constexpr size_t kWidth = 70, kRows = 45;
  std::mt19937 random(8);
  const auto q = normal_floats(random, 9 * kWidth);
  const auto sinks = normal_floats(random, 9);
  for (const RowFormat format : {RowFormat::kF16, RowFormat::kBF16}) {
    const StoredRows halves(format, normal_floats(random, kRows * kWidth), kWidth);
    std::vector<float> values;
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t c = 0; c < kWidth; ++c) values.push_back(halves.value(r, c));
    }
    const StoredRows floats(RowFormat::kF32, values, kWidth);
    std::vector<float> of_halves(q.size()), of_floats(q.size());
    attend(q.data(), 9, halves.view(), kWidth, 0.1F, sinks.data(), of_halves.data());
    attend(q.data(), 9, floats.view(), kWidth, 0.1F, sinks.data(), of_floats.data());
    EXPECT_EQ(of_halves, of_floats) << row_format_name(format);
  }
}

TEST(AttendEdges, LargeScoresDoNotOverflow) {
  const std::array<float, 2> q = {1000.0F, 0.0F};
  std::vector<float> values;
  for (int r = 0; r < 40; ++r) values.insert(values.end(), {-1.0F, 5.0F});
  values.insert(values.end(), {1.0F, 3.0F});  // in another block than most of the others
  const StoredRows rows(RowFormat::kF32, values, 2);
  std::array<float, 2> out{};
  const float sink = 0;
  attend(q.data(), 1, rows.view(), 2, 1.0F, &sink, out.data());
  EXPECT_FLOAT_EQ(out[0], 1.0F);
  EXPECT_FLOAT_EQ(out[1], 3.0F);
}

TEST(AttendEdges, WithoutRowsTheSinkTakesEverything) {
  const std::array<float, 2> q = {1.0F, 2.0F};
  std::array<float, 2> out = {9.0F, 9.0F};
  const float sink = 0;
  attend(q.data(), 1, {}, 2, 1.0F, &sink, out.data());
  EXPECT_EQ(out, (std::array<float, 2>{0.0F, 0.0F}));
}

}  // namespace
}  // namespace sluice
