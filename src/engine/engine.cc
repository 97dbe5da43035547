#include "sluice/engine.h"

#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/file.h"
#include "checkpoint/json_fields.h"
#include "checkpoint/strict_json.h"
#include "engine/engine_on_model.h"
#include "engine/loaded_model.h"
#include "engine/sampler.h"
#include "engine/stepper.h"
#include "text/tokenizer.h"

namespace sluice {
namespace {

constexpr uint64_t kGenerationConfigLimitBytes = 1 << 20;

// A field that is absent or null leaves the value; its range is check_sampling's business.
Status read_number(const nlohmann::json& object, const char* name, const std::filesystem::path& path,
                   double& value) {
  const auto field = object.find(name);
  if (field == object.end() || field->is_null()) return {};
  if (!field->is_number()) {
    return fail(ErrorCode::kCorrupt, "{}: {} is of type {}; a number was expected", path.string(), name,
                field->type_name());
  }
  value = field->get<double>();
  return {};
}

// generation_config.json: {"do_sample": true, "temperature": 1.0, "top_p": 1.0, ...}; a missing file or field
// leaves the default, a damaged one is an error.
Result<SamplingOptions> read_default_sampling(const std::filesystem::path& folder) {
  SamplingOptions sampling;
  const auto path = folder / "generation_config.json";
  std::error_code ignored;  // what cannot be asked about counts as absent
  if (!std::filesystem::exists(path, ignored)) return sampling;
  SLUICE_ASSIGN(const std::string text, read_text_file(path, kGenerationConfigLimitBytes));
  SLUICE_ASSIGN(const nlohmann::json parsed, parse_strict_json(text, path.string()));
  const JsonFields fields(parsed, path.string());
  SLUICE_TRY(read_number(parsed, "temperature", path, sampling.temperature));
  SLUICE_TRY(read_number(parsed, "top_p", path, sampling.top_p));
  SLUICE_TRY(read_number(parsed, "min_p", path, sampling.min_p));
  SLUICE_ASSIGN(const auto top_k, fields.integer("top_k", 0, UINT32_MAX));
  sampling.top_k = top_k.value_or(0);
  SLUICE_ASSIGN(const auto do_sample, fields.boolean("do_sample"));
  if (do_sample == false) sampling.temperature = 0;
  auto checked = check_sampling(sampling);
  if (!checked)
    return tl::unexpected(Error{ErrorCode::kCorrupt, path.string() + ": " + checked.error().message});
  return sampling;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(const EngineOptions& options) {
  SLUICE_ASSIGN(auto loaded, LoadedModel::load(options));
  return engine_on_model(std::move(loaded));
}

Result<std::unique_ptr<Engine>> engine_on_model(std::unique_ptr<LoadedModel> loaded) {
  std::unique_ptr<Engine> engine(new Engine());
  engine->loaded_ = std::move(loaded);
  if (const auto path = engine->loaded_->checkpoint.tokenizer_path()) {
    SLUICE_ASSIGN(auto tokenizer, Tokenizer::load(*path));
    engine->tokenizer_ = std::make_unique<Tokenizer>(std::move(tokenizer));
  }
  SLUICE_ASSIGN(engine->default_sampling_, read_default_sampling(engine->loaded_->checkpoint.folder()));
  return engine;
}

Engine::~Engine() = default;

const Tokenizer* Engine::tokenizer() const {
  return tokenizer_.get();
}

Result<std::vector<int32_t>> Engine::tokenize_prompt(std::string_view text) const {
  if (tokenizer_ == nullptr) {
    return fail(ErrorCode::kNotFound, "{}: there is no tokenizer.json, so text cannot become tokens",
                loaded_->checkpoint.folder().string());
  }
  std::vector<int32_t> ids = tokenizer_->encode_plain(text);
  ids.insert(ids.begin(), static_cast<int32_t>(loaded_->checkpoint.config().bos_token_id));
  return ids;
}

const MemoryPlan& Engine::memory_plan() const {
  return loaded_->plan;
}
StreamCounters Engine::counters() const {
  return loaded_->store->counters();
}
StreamMode Engine::stream_mode() const {
  return loaded_->store->mode();
}
size_t Engine::threads() const {
  return loaded_->sizes.threads;
}
const SamplingOptions& Engine::default_sampling() const {
  return default_sampling_;
}

}  // namespace sluice
