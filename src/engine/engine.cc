#include "sluice/engine.h"

#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/file.h"
#include "engine/loaded_model.h"
#include "engine/sampler.h"
#include "text/tokenizer.h"

namespace sluice {
namespace {

constexpr uint64_t kGenerationConfigLimitBytes = 1 << 20;

// generation_config.json: {"do_sample": true, "temperature": 1.0, "top_p": 1.0, ...}; a missing file or field leaves
// the default, a damaged one is an error.
Result<SamplingOptions> read_default_sampling(const std::filesystem::path& folder) {
  SamplingOptions sampling;
  const auto path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) return sampling;
  SLUICE_ASSIGN(const std::string text, read_text_file(path, kGenerationConfigLimitBytes));
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return fail(ErrorCode::kCorrupt, "{}: a JSON object is expected", path.string());
  const auto number = [&](const char* name, auto& value) {
    const auto field = json.find(name);
    if (field != json.end() && field->is_number()) value = field->get<std::decay_t<decltype(value)>>();
  };
  number("temperature", sampling.temperature);
  number("top_p", sampling.top_p);
  number("min_p", sampling.min_p);
  if (const auto field = json.find("top_k"); field != json.end() && field->is_number_unsigned()) {
    sampling.top_k = static_cast<uint32_t>(std::min<uint64_t>(field->get<uint64_t>(), UINT32_MAX));
  }
  if (const auto field = json.find("do_sample"); field != json.end() && *field == false) sampling.temperature = 0;
  auto checked = check_sampling(sampling);
  if (!checked) return tl::unexpected(Error{ErrorCode::kCorrupt, path.string() + ": " + checked.error().message});
  return sampling;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine());
  SLUICE_ASSIGN(engine->loaded_, LoadedModel::load(options));
  if (const auto path = engine->loaded_->checkpoint.tokenizer_path()) {
    SLUICE_ASSIGN(auto tokenizer, Tokenizer::load(*path));
    engine->tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
  }
  SLUICE_ASSIGN(engine->default_sampling_, read_default_sampling(options.model_folder));
  return engine;
}

Engine::~Engine() = default;

const Tokenizer* Engine::tokenizer() const { return tokenizer_.get(); }

Result<std::vector<int32_t>> Engine::tokenize_prompt(std::string_view text) const {
  if (tokenizer_ == nullptr) {
    return fail(ErrorCode::kNotFound, "{}: there is no tokenizer.json, so text cannot become tokens",
                loaded_->checkpoint.folder().string());
  }
  std::vector<int32_t> ids = tokenizer_->encode_plain(text);
  ids.insert(ids.begin(), static_cast<int32_t>(loaded_->checkpoint.config().bos_token_id));
  return ids;
}

const MemoryPlan& Engine::memory_plan() const { return loaded_->plan; }
StreamCounters Engine::counters() const { return loaded_->store->counters(); }
StreamMode Engine::stream_mode() const { return loaded_->store->mode(); }
size_t Engine::threads() const { return loaded_->sizes.threads; }
const SamplingOptions& Engine::default_sampling() const { return default_sampling_; }

}  // namespace sluice
