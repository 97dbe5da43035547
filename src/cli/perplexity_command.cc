// sluice perplexity: how well the model predicts a text.
#include "engine/perplexity.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/interrupts.h"
#include "cli/json_output.h"
#include "cli/model_options.h"

namespace sluice {
namespace {

constexpr uint64_t kTextLimitBytes = uint64_t{1} << 30;

struct PerplexityOptions {
  ModelOptions model;
  std::string file;
  bool json = false;
};

Result<PerplexityText> load_text(const std::string& file, const std::filesystem::path& folder) {
  SLUICE_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(folder));
  SLUICE_ASSIGN(const std::string json, read_text_file(file, kTextLimitBytes));
  return parse_perplexity_text(json, file, checkpoint.config());
}

Result<ExitCode> run_perplexity(const PerplexityOptions& options, Console& console) {
  SLUICE_ASSIGN(EngineOptions engine_choice, engine_options(options.model));
  SLUICE_ASSIGN(const PerplexityText text, load_text(options.file, engine_choice.model_folder));
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
  const InterruptWatch watch(interrupts);
  engine_choice.cancel = watch.token();
  engine_choice.context_tokens = std::min<uint64_t>(text.window, text.ids.size());
  ProgressLine line(console.err);
  std::function<void(uint64_t, uint64_t)> on_progress;
  if (!console.quiet) {
    engine_choice.on_progress = show_loading(line);
    on_progress = [&](uint64_t done, uint64_t total) { line.update_tokens("perplexity", done, total); };
  }
  SLUICE_ASSIGN(const auto loaded, LoadedModel::load(engine_choice));
  const auto start = std::chrono::steady_clock::now();
  SLUICE_ASSIGN(const PerplexityResult result, perplexity(*loaded, text, on_progress, watch.token()));
  const std::chrono::nanoseconds elapsed = std::chrono::steady_clock::now() - start;
  line.clear();
  if (options.json) {
    console.out.write(json_line({{"nll_per_token", result.nll_per_token},
                                 {"perplexity", result.perplexity},
                                 {"tokens", result.tokens},
                                 {"windows", result.windows},
                                 {"window", text.window},
                                 {"elapsed_ns", elapsed.count()},
                                 {"experts", to_json(loaded->store->counters())}}));
  } else {
    console.out.write(
        fmt::format("perplexity {:.4f}, mean negative log-likelihood {:.6f} per token\n"
                    "{} tokens in {} windows of {}, {:.0f} tokens/s\n",
                    result.perplexity, result.nll_per_token, result.tokens, result.windows, text.window,
                    static_cast<double>(result.tokens) * 1e9 /
                        static_cast<double>(std::max<int64_t>(1, elapsed.count()))));
  }
  return ExitCode::kOk;
}

}  // namespace

Command add_perplexity_command(CLI::App& app) {
  auto options = std::make_shared<PerplexityOptions>();
  auto* command = app.add_subcommand("perplexity", "how well the model predicts a text");
  command->add_option("file", options->file, "JSON: {\"token_ids\": [...], \"window\": 1024}")
      ->type_name("FILE")
      ->required();
  command->add_flag("--json", options->json, "one JSON object");
  add_model_option(*command, options->model);
  add_streaming_options(*command, options->model);
  add_numerics_option(*command, options->model);
  command
      ->add_option("--chunk", options->model.chunk_tokens,
                   "tokens taken in at once; default: 512 to 2048, by the memory at hand")
      ->type_name("N")
      ->group("Model");
  command->footer(
      "Example:\n"
      "  sluice perplexity tests/data/reference/tiny-v4/perplexity.json\n"
      "Windows know nothing of each other: each predicts the token after every one of its own.");
  return [options](Console& console) { return run_perplexity(*options, console); };
}

}  // namespace sluice
