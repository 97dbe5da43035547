// What a token costs after N others, by kind of layer: prints CSV for draw_curve.py. Not one of ./dev
// bench's, since it wants a checkpoint (sluice synth). One thread, and its processor time, so that a busy
// machine shows less.
//   context_curve DIR FORMAT ROUNDS N...
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/loaded_model.h"

namespace sluice {
namespace {

uint64_t thread_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// Gives what has passed since the part before to the part that ends.
class PartClock : public ForwardObserver {
 public:
  explicit PartClock(size_t layers) : attention_ns_(layers) {}

  void start() {
    std::ranges::fill(attention_ns_, 0);
    other_ns_ = 0;
    last_ns_ = thread_ns();
  }
  void on_part(PassPart part, uint32_t layer, std::chrono::steady_clock::time_point,
               std::chrono::steady_clock::time_point) override {
    const uint64_t now_ns = thread_ns();
    (part == PassPart::kAttention ? attention_ns_[layer] : other_ns_) += now_ns - last_ns_;
    last_ns_ = now_ns;
  }
  uint64_t attention_ns(size_t layer) const { return attention_ns_[layer]; }

 private:
  std::vector<uint64_t> attention_ns_;
  uint64_t other_ns_ = 0, last_ns_ = 0;
};

constexpr size_t kTokens = 5;  // of a round, the first of them uncounted

// For each layer the shortest time of all tokens: what others do to the caches only ever adds.
Status measure(Model& model, RowFormat format, uint64_t held, int rounds) {
  const size_t layers = model.config().num_hidden_layers;
  std::vector<uint64_t> best_ns(layers, UINT64_MAX);
  std::vector<float> streams(model.streams_width());
  PartClock clock(layers);
  SLUICE_ASSIGN(auto state, SequenceState::create(model.state_shape(), held + kTokens));
  for (int round = 0; round < rounds; ++round) {
    state.clear();
    state.pretend(held, 1);
    for (size_t token = 0; token < kTokens; ++token) {
      const int32_t id = static_cast<int32_t>(token * 97 % model.config().vocab_size);
      clock.start();
      SLUICE_TRY(model.extend(state, {&id, 1}, streams.data(), &clock));
      for (size_t layer = 0; token > 0 && layer < layers; ++layer)
        best_ns[layer] = std::min(best_ns[layer], clock.attention_ns(layer));
    }
  }
  for (size_t layer = 0; layer < layers; ++layer) {
    fmt::print("{},{},{},{},{:.4f}\n", row_format_name(format), held, layer,
               model.config().compress_ratios[layer], static_cast<double>(best_ns[layer]) / 1e6);
  }
  return {};
}

Status run(const std::vector<std::string>& arguments) {
  EngineOptions options;
  options.model_folder = arguments[0];
  options.stream = StreamMode::kResident;
  options.threads = 1;
  for (const RowFormat format : {RowFormat::kF16, RowFormat::kBF16}) {
    if (arguments[1] == row_format_name(format)) options.row_format = format;
  }
  SLUICE_ASSIGN(const auto loaded, LoadedModel::load(options));
  for (size_t i = 3; i < arguments.size(); ++i) {
    SLUICE_TRY(measure(*loaded->model, options.row_format, std::strtoull(arguments[i].c_str(), nullptr, 10),
                       std::atoi(arguments[2].c_str())));
  }
  return {};
}

}  // namespace
}  // namespace sluice

int main(int count, char** arguments) {
  if (count < 5) {
    fmt::print(stderr, "usage: context_curve DIR f32|f16|bf16 ROUNDS N...\n");
    return 2;
  }
  const auto status = sluice::run({arguments + 1, arguments + count});
  if (!status) fmt::print(stderr, "context_curve: {}\n", status.error().message);
  return status ? 0 : 1;
}
