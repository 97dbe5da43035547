#include "model/forward_context.h"

namespace sluice {

void ForwardObserver::on_scores(uint32_t, uint64_t, std::span<const float>) {}
bool ForwardObserver::revise_experts(uint32_t, uint64_t, std::span<const float>, std::span<uint32_t>) {
  return false;
}
void ForwardObserver::on_experts(uint32_t, uint64_t, std::span<const uint32_t>, std::span<const float>) {}
void ForwardObserver::on_index(uint32_t, uint64_t, std::span<const uint32_t>) {}
void ForwardObserver::on_attention(uint32_t, uint64_t, std::span<const float>) {}
void ForwardObserver::on_streams(uint32_t, uint64_t, std::span<const float>) {}
void ForwardObserver::on_part(PassPart, uint32_t, std::chrono::steady_clock::time_point,
                              std::chrono::steady_clock::time_point) {}

}  // namespace sluice
