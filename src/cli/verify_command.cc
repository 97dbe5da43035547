// sluice verify: does this build compute what another implementation did?
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "cli/commands.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/verify_table.h"
#include "engine/reference.h"
#include "engine/verify.h"

namespace sluice {
namespace {

constexpr uint64_t kGreedyLimitBytes = uint64_t{1} << 28;

struct VerifyOptions {
  ModelOptions model;
  std::string reference_file;
  std::string greedy_file;
  bool json = false;
};

struct Expected {
  std::vector<ReferenceCase> cases;
  std::vector<GreedyCase> greedy;
};

// The greedy cases of the file that was named, or of greedy.json beside the reference when there is one.
Result<std::vector<GreedyCase>> load_greedy(const VerifyOptions& options, const ModelConfig& config) {
  std::filesystem::path path = options.greedy_file;
  if (path.empty()) {
    path = std::filesystem::path(options.reference_file).parent_path() / "greedy.json";
    std::error_code error;
    if (!std::filesystem::exists(path, error)) return std::vector<GreedyCase>();
  }
  SLUICE_ASSIGN(const std::string json, read_text_file(path, kGreedyLimitBytes));
  return parse_greedy(json, path.string(), config);
}

Result<Expected> load_expected(const VerifyOptions& options, const std::filesystem::path& folder) {
  SLUICE_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(folder));
  Expected expected;
  SLUICE_ASSIGN(expected.cases, load_reference(options.reference_file, checkpoint.config()));
  SLUICE_ASSIGN(expected.greedy, load_greedy(options, checkpoint.config()));
  return expected;
}

uint64_t longest_tokens(const Expected& expected) {
  uint64_t longest = verify_chunk_tokens(expected.cases);
  for (const auto& one : expected.cases)
    longest = std::max<uint64_t>(longest, one.ids.size() + one.greedy_ids.size());
  for (const auto& one : expected.greedy) {
    longest = std::max<uint64_t>(longest, one.prompt_ids.size() + one.output_ids.size());
  }
  return longest;
}

nlohmann::ordered_json as_json(const VerifyReport& report) {
  nlohmann::ordered_json json{{"within", report.within()},
                              {"numerics", numerics_name(report.numerics)},
                              {"mean_error_bound", error_bounds(report.numerics).mean},
                              {"largest_error_bound", error_bounds(report.numerics).largest},
                              {"near", report.near()},
                              {"ties", report.ties()},
                              {"rows", nlohmann::ordered_json::array()}};
  for (const VerifyRow& row : report.rows) {
    json["rows"].push_back({{"case", row.subject},
                            {"schedule", row.schedule},
                            {"quantity", row.quantity},
                            {"compared", row.compared},
                            {"different", row.different},
                            {"near", row.near},
                            {"ties", row.ties},
                            {"mean_error", row.mean_error},
                            {"largest_error", row.largest_error},
                            {"bounded", row.bounded},
                            {"within", row.within}});
  }
  return json;
}

Result<ExitCode> run_verify(const VerifyOptions& options, Console& console) {
  SLUICE_ASSIGN(EngineOptions engine_choice, engine_options(options.model));
  SLUICE_ASSIGN(const Expected expected, load_expected(options, engine_choice.model_folder));
  engine_choice.chunk_tokens = verify_chunk_tokens(expected.cases);
  engine_choice.context_tokens = longest_tokens(expected);
  ProgressLine line(console.err);
  if (!console.quiet) engine_choice.on_progress = show_loading(line);
  SLUICE_ASSIGN(const auto loaded, LoadedModel::load(engine_choice));
  line.clear();
  Output nowhere = Output::none();
  Output& table = options.json ? nowhere : console.out;
  if (!console.quiet) table.write(verify_heading());
  SLUICE_ASSIGN(const VerifyReport report,
                verify(*loaded, expected.cases, expected.greedy, [&](const VerifyRow& row) {
                  if (!console.quiet || (row.bounded && !row.within)) table.write(verify_line(row, table));
                }));
  table.write(verify_verdict(report, table));
  if (options.json) console.out.write(json_line(as_json(report)));
  return report.within() ? ExitCode::kOk : ExitCode::kNo;
}

}  // namespace

Command add_verify_command(CLI::App& app) {
  auto options = std::make_shared<VerifyOptions>();
  auto* command = app.add_subcommand("verify", "compare the model with what another implementation computed");
  command->add_option("--reference", options->reference_file, "what it computed, as safetensors")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--greedy", options->greedy_file,
                   "greedy texts to repeat; default: greedy.json beside the reference")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "one JSON object instead of the table");
  add_model_option(*command, options->model);
  add_streaming_options(*command, options->model);
  options->model.numerics = "exact";  // where every digit is looked at
  add_numerics_option(*command, options->model);
  command->footer(
      "Examples:\n"
      "  sluice verify --reference tests/data/reference/tiny-v4/reference.safetensors\n"
      "  sluice verify -m DIR --reference FILE --stream mmap && echo the same\n"
      "Every case is fed whole, in chunks of several sizes, and as a prefill with single tokens after it.\n"
      "The exit code is 0 within the bounds and 1 beyond them. With --quiet only what is beyond them is "
      "shown.");
  return [options](Console& console) { return run_verify(*options, console); };
}

}  // namespace sluice
