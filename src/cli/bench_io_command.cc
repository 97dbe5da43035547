#include "cli/bench_io_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/units.h"
#include "cli/find_model.h"
#include "cli/fio.h"
#include "cli/interrupts.h"
#include "cli/io_figures.h"
#include "cli/io_subject.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/progress_line.h"
#include "storage/choose_reader.h"
#include "storage/read_draw.h"

namespace sluice {
namespace {

// fio's direct reads want whole sectors, whatever this file system asks for.
constexpr size_t kSectorBytes = 4096;

struct BenchIoOptions {
  ModelOptions model;
  std::string file;
  std::string block = "13369344";  // an expert of DeepSeek-V4-Flash
  std::vector<size_t> depths = {1, 4, 16, 64};
  double seconds = 2;
  size_t rounds = 3;
  ReaderKind reader = ReaderKind::kAuto;
  bool no_fio = false;
  bool json = false;
};

// One subject under measurement, through one reader.
class IoBench {
 public:
  IoBench(const BenchIoOptions& options, IoSubject subject, ChosenReader chosen, std::stop_token cancel,
          Console& console)
      : options_(options),
        subject_(std::move(subject)),
        chosen_(std::move(chosen)),
        cancel_(std::move(cancel)),
        console_(console),
        line_(console.err),
        uses_fio_(!options.no_fio) {}

  const std::string& reader_description() const { return chosen_.description; }
  const IoSubject& subject() const { return subject_; }

  // Ours and fio's in turn, so that a machine that drifts hits both alike.
  Result<IoRow> measure(size_t depth) {
    std::vector<ProbeFigures> ours;
    std::vector<double> fio_bytes_per_second;
    for (size_t round = 0; round < options_.rounds; ++round) {
      SLUICE_ASSIGN(const ProbeFigures figures, probe(depth, round));
      ours.push_back(figures);
      if (!uses_fio_) continue;
      const auto fio = measure_fio(depth, round, figures.reads);
      if (cancel_.stop_requested()) return fail(ErrorCode::kCancelled, "measuring was cancelled");
      if (fio) {
        fio_bytes_per_second.push_back(fio->bytes_per_second);
      } else {
        go_on_without_fio(fio.error());
        fio_bytes_per_second.clear();
      }
    }
    line_.clear();
    return io_row(depth, ours, std::move(fio_bytes_per_second));
  }

 private:
  std::chrono::nanoseconds duration() const {
    return std::chrono::nanoseconds(static_cast<int64_t>(options_.seconds * 1e9));
  }

  Result<ProbeFigures> probe(size_t depth, size_t round) {
    ProbeOptions probe_options;
    probe_options.depth = depth;
    probe_options.limit = duration();
    probe_options.block_bytes = subject_.block_bytes;
    probe_options.seed = seed_of(round);
    probe_options.cancel = cancel_;
    if (!console_.quiet) {
      probe_options.on_progress = [&](std::chrono::nanoseconds elapsed) { show("sluice", depth, elapsed); };
    }
    return probe_reads(*chosen_.reader, *subject_.files, subject_.extents, probe_options);
  }

  // The very reads that were just measured.
  Result<FioFigures> measure_fio(size_t depth, size_t round, uint64_t reads) {
    if (!console_.quiet) show("fio", depth, {});
    FioJob job;
    for (uint32_t file = 0; file < subject_.files->count(); ++file)
      job.files.emplace_back(subject_.files->name(file));
    job.reads = reads_for_fio(round, reads);
    job.depth = depth;
    job.direct = subject_.files->is_direct();
    job.uses_io_uring = chosen_.kind == ReaderKind::kUring;
    return run_fio(job);
  }

  std::vector<FioRead> reads_for_fio(size_t round, uint64_t count) const {
    ReadDraw draw(subject_.extents, subject_.block_bytes, chosen_.reader->alignment_bytes(), seed_of(round));
    std::vector<FioRead> reads;
    for (uint64_t i = 0; i < count; ++i) {
      const DrawnRead read = draw.next();
      // fio wants the end of a read to lie within the file.
      const uint64_t rest_bytes =
          round_down(subject_.files->size_bytes(read.file) - read.offset_bytes, kSectorBytes);
      const uint64_t size_bytes = std::min(read.size_bytes, rest_bytes);
      if (size_bytes > 0) reads.push_back({read.file, read.offset_bytes, size_bytes});
    }
    return reads;
  }

  static uint64_t seed_of(size_t round) { return round + 1; }

  void show(const char* who, size_t depth, std::chrono::nanoseconds elapsed) {
    const auto total = static_cast<uint64_t>(duration().count());
    line_.update_seconds(fmt::format("{}, {} in flight", who, depth),
                         std::min(total, static_cast<uint64_t>(elapsed.count())), total);
  }

  void go_on_without_fio(const Error& error) {
    uses_fio_ = false;
    line_.clear();
    if (!console_.quiet) console_.err.write_foreign("no comparison with fio: " + error.message + "\n");
  }

  const BenchIoOptions& options_;
  const IoSubject subject_;
  const ChosenReader chosen_;
  const std::stop_token cancel_;
  Console& console_;
  ProgressLine line_;
  bool uses_fio_;
};

Status check(const BenchIoOptions& options) {
  for (const size_t depth : options.depths) {
    if (depth >= 1 && depth <= UringReader::kMaxDepth) continue;
    return fail(ErrorCode::kInvalidArgument, "--depth {}: expected 1 to {}", depth, UringReader::kMaxDepth);
  }
  return {};
}

Status check_memory(const IoSubject& subject, size_t depth) {
  const uint64_t needed_bytes = depth * subject.largest_bytes;
  const uint64_t available_bytes = available_memory_bytes();
  if (available_bytes == 0 || needed_bytes <= available_bytes / 2) return {};
  return fail(ErrorCode::kOutOfBudget,
              "--depth {}: so many reads of {} need {}, more than half of the {} that are available", depth,
              format_bytes(subject.largest_bytes), format_bytes(needed_bytes), format_bytes(available_bytes));
}

Result<std::vector<IoSubject>> subjects_of(const BenchIoOptions& options) {
  std::vector<IoSubject> subjects;
  if (options.file.empty() || !options.model.folder.empty()) {
    SLUICE_ASSIGN(const auto folder, find_model(places_of_this_process(options.model.folder)));
    SLUICE_ASSIGN(IoSubject subject, experts_subject(folder));
    subjects.push_back(std::move(subject));
  }
  if (!options.file.empty()) {
    SLUICE_ASSIGN(const uint64_t block_bytes, parse_bytes(options.block));
    SLUICE_ASSIGN(IoSubject subject, blocks_subject(options.file, block_bytes));
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

Result<nlohmann::ordered_json> run_subject(const BenchIoOptions& options, IoSubject subject,
                                           const std::stop_token& cancel, Console& console) {
  const size_t most = std::ranges::max(options.depths);
  SLUICE_TRY(check_memory(subject, most));
  SLUICE_ASSIGN(ChosenReader chosen, choose_reader(subject.files, {options.reader, most, most}));
  IoBench bench(options, std::move(subject), std::move(chosen), cancel, console);
  nlohmann::ordered_json json{{"subject", bench.subject().name},
                              {"reader", bench.reader_description()},
                              {"read_bytes", bench.subject().typical_bytes},
                              {"rows", nlohmann::ordered_json::array()}};
  Output silent = Output::none();
  Output& table = options.json ? silent : console.out;
  table.write_foreign(bench.subject().name + "\nby " + bench.reader_description() + "\n");
  table.write(io_heading(table));
  for (const size_t depth : options.depths) {
    SLUICE_ASSIGN(const IoRow row, bench.measure(depth));
    table.write(io_line(row));
    json["rows"].push_back(to_json(row));
  }
  return json;
}

Result<ExitCode> run_bench_io(const BenchIoOptions& options, Console& console) {
  SLUICE_TRY(check(options));
  SLUICE_ASSIGN(std::vector<IoSubject> subjects, subjects_of(options));
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
  const InterruptWatch watch(interrupts);
  nlohmann::ordered_json json{{"seconds", options.seconds},
                              {"rounds", options.rounds},
                              {"subjects", nlohmann::ordered_json::array()}};
  for (IoSubject& subject : subjects) {
    SLUICE_ASSIGN(auto found, run_subject(options, std::move(subject), watch.token(), console));
    json["subjects"].push_back(std::move(found));
  }
  if (options.json) console.out.write(json_line(json));
  return ExitCode::kOk;
}

void add_options(CLI::App& command, BenchIoOptions& options) {
  const std::map<std::string, ReaderKind> readers = {
      {"auto", ReaderKind::kAuto}, {"uring", ReaderKind::kUring}, {"pread", ReaderKind::kPread}};
  add_model_option(command, options.model);
  command.add_option("--file", options.file, "read blocks of this file; with -m: of this file too")
      ->type_name("FILE");
  command.add_option("--block", options.block, "of so many bytes; default: 13369344, an expert of Flash")
      ->type_name("SIZE");
  command.add_option("--depth", options.depths, "reads in flight; default: 1,4,16,64")
      ->delimiter(',')
      ->type_name("N,...");
  command.add_option("--seconds", options.seconds, "for each measurement; default: 2")
      ->check(CLI::Range(0.01, 3600.0).description(""))
      ->type_name("S");
  command.add_option("--rounds", options.rounds, "of which the median is taken; default: 3")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N");
  command.add_option("--reader", options.reader, "what reads: auto (default), uring or pread")
      ->transform(CLI::CheckedTransformer(readers).description(""))
      ->type_name("KIND");
  command.add_flag("--no-fio", options.no_fio, "no comparison with fio");
  command.add_flag("--json", options.json, "one JSON object instead of the table");
}

}  // namespace

Command add_bench_io_command(CLI::App& bench) {
  auto options = std::make_shared<BenchIoOptions>();
  auto* command = bench.add_subcommand("io", "random reads of expert size, beside fio's");
  add_options(*command, *options);
  command->footer(
      "Examples:\n"
      "  sluice bench io -m DIR                    the experts of a checkpoint\n"
      "  sluice bench io --file big.bin --block 4MiB --depth 8,32\n"
      "Reads as the engine does. Files should be larger than the disk's own cache, and hold real data. fio\n"
      "then makes the very same reads, in turn with Sluice.");
  return [options](Console& console) { return run_bench_io(*options, console); };
}

}  // namespace sluice
