// sluice checksum: a digest of every expert, to find damage with later.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/units.h"
#include "checkpoint/checkpoint.h"
#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/interrupts.h"
#include "cli/json_output.h"
#include "cli/progress_line.h"
#include "experts/digest_experts.h"
#include "model/bind_weights.h"
#include "storage/file_set.h"

namespace sluice {
namespace {

struct ChecksumOptions {
  std::string folder;
  std::string file;  // --output; empty: in the folder
  bool check = false;
  bool json = false;
};

struct Differences {
  std::vector<ExpertId> experts;
  uint64_t checked = 0;
};

Differences compare(const ExpertCatalog& catalog, const ExpertDigests& recorded, const ExpertDigests& found) {
  Differences differences;
  for (uint32_t expert = 0; expert < catalog.expert_count(); ++expert) {
    if (recorded.digest(expert) != found.digest(expert)) differences.experts.push_back(catalog.id(expert));
    ++differences.checked;
  }
  return differences;
}

void report(const Differences& differences, bool json, Console& console) {
  if (json) {
    nlohmann::ordered_json damaged = nlohmann::ordered_json::array();
    for (const ExpertId& id : differences.experts)
      damaged.push_back({{"layer", id.layer}, {"expert", id.expert}});
    console.out.write(json_line({{"experts", differences.checked}, {"damaged", damaged}}));
    return;
  }
  for (const ExpertId& id : differences.experts) {
    console.out.write(
        fmt::format("layer {}, expert {}: differs from what was recorded\n", id.layer, id.expert));
  }
  console.out.write(
      differences.experts.empty()
          ? fmt::format("all {} experts are as recorded\n", differences.checked)
          : fmt::format("{} of {} experts are damaged\n", differences.experts.size(), differences.checked));
}

Result<std::vector<FileSpec>> file_specs(const Checkpoint& checkpoint) {
  std::vector<FileSpec> specs;
  for (const auto& path : checkpoint.files()) {
    std::error_code error;
    specs.push_back({path, std::filesystem::file_size(path, error)});
    if (error) return fail(ErrorCode::kNotFound, "{}: {}", path.string(), error.message());
  }
  return specs;
}

// Reads everything, showing how far it is.
Result<ExpertDigests> digest(const Checkpoint& checkpoint, const ExpertCatalog& catalog, Console& console) {
  SLUICE_ASSIGN(const auto specs, file_specs(checkpoint));
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
  const InterruptWatch watch(interrupts);
  ProgressLine line(console.err);
  DigestOptions options;
  options.cancel = watch.token();
  if (!console.quiet) {
    options.on_progress = [&](uint64_t done, uint64_t total) {
      line.update_bytes("reading experts", done, total);
    };
  }
  return digest_experts(catalog, specs, options);
}

Result<ExitCode> run_checksum(const ChecksumOptions& options, Console& console) {
  SLUICE_ASSIGN(const auto folder, find_model(places_of_this_process(options.folder)));
  SLUICE_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(folder));
  SLUICE_ASSIGN(const ExpertStorage storage, ExpertStorage::locate(checkpoint));
  const ExpertCatalog& catalog = storage.catalog();
  const std::filesystem::path path =
      options.file.empty() ? folder / kExpertDigestsFile : std::filesystem::path(options.file);
  std::optional<ExpertDigests> recorded;
  if (options.check) {
    SLUICE_ASSIGN(recorded, ExpertDigests::load(path));
    auto fits = recorded->check_geometry(catalog);
    if (!fits) return tl::unexpected(std::move(fits).error().in(path.string()));
  }
  SLUICE_ASSIGN(const ExpertDigests found, digest(checkpoint, catalog, console));
  if (recorded) {
    const Differences differences = compare(catalog, *recorded, found);
    report(differences, options.json, console);
    return differences.experts.empty() ? ExitCode::kOk : ExitCode::kNo;
  }
  SLUICE_TRY(found.save(path));
  if (options.json) {
    console.out.write(json_line({{"experts", catalog.expert_count()}, {"file", path.string()}}));
  } else {
    console.out.write_foreign(fmt::format("{} experts, {}: digests in {}\n", catalog.expert_count(),
                                          format_bytes(catalog.total_bytes()), path.string()));
  }
  return ExitCode::kOk;
}

}  // namespace

Command add_checksum_command(CLI::App& app) {
  auto options = std::make_shared<ChecksumOptions>();
  auto* command = app.add_subcommand("checksum", "record a digest of every expert, or look for damage");
  command->add_option("folder", options->folder, "the checkpoint; else $SLUICE_MODEL, else models/tiny-v4")
      ->type_name("DIR");
  command->add_flag("--check", options->check,
                    "compare with what was recorded; exit code 1 when something differs");
  command
      ->add_option("-o,--output", options->file,
                   "the file of digests; default: sluice-digests.bin in the folder")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "one JSON object");
  command->footer(
      "Examples:\n"
      "  sluice checksum /data/DeepSeek-V4-Flash\n"
      "  sluice checksum --check /data/DeepSeek-V4-Flash\n"
      "Every expert is read once, past the page cache where that is possible.");
  return [options](Console& console) { return run_checksum(*options, console); };
}

}  // namespace sluice
