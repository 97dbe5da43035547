// sluice tokenize: text to ids and back.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/id_list.h"
#include "cli/json_output.h"
#include "cli/load_tokenizer.h"
#include "cli/model_options.h"
#include "cli/text_input.h"

namespace sluice {
namespace {

struct TokenizeOptions {
  ModelOptions model;
  TextInput input;
  bool decode = false;
  bool special = false;
  bool pieces = false;
  bool json = false;
};

// The text of one token as a JSON string, so that spaces and line breaks show. A piece may end inside a
// character: what is not UTF-8 shows as U+FFFD.
std::string quoted(std::string_view piece) {
  return nlohmann::json(piece).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void print_decoded(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool json, Output& out) {
  const std::string text = tokenizer.decode(ids);
  if (json) {
    out.write(json_line({{"text", text}}));
    return;
  }
  out.write_foreign(text);
  if (out.traits().terminal) out.end_line();
}

void print_ids(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, const TokenizeOptions& options,
               Output& out) {
  if (options.json) {
    nlohmann::ordered_json json{{"ids", ids}};
    if (options.pieces) {
      json["pieces"] = nlohmann::ordered_json::array();
      for (const int32_t id : ids) json["pieces"].push_back(std::string(tokenizer.token_bytes(id)));
    }
    out.write(json_line(json));
    return;
  }
  if (!options.pieces) {
    out.write(ids_line(ids));
    return;
  }
  std::string lines;
  for (const int32_t id : ids) lines += fmt::format("{}\t{}\n", id, quoted(tokenizer.token_bytes(id)));
  out.write(lines);
}

Result<ExitCode> tokenize(const TokenizeOptions& options, Console& console) {
  SLUICE_ASSIGN(const std::string text, read_text(options.input));
  SLUICE_ASSIGN(const Tokenizer tokenizer, load_model_tokenizer(options.model.folder));
  if (options.decode) {
    SLUICE_ASSIGN(const std::vector<int32_t> ids, parse_ids(text, tokenizer.vocab_size()));
    print_decoded(tokenizer, ids, options.json, console.out);
  } else {
    print_ids(tokenizer, options.special ? tokenizer.encode(text) : tokenizer.encode_plain(text), options,
              console.out);
  }
  return ExitCode::kOk;
}

}  // namespace

Command add_tokenize_command(CLI::App& app) {
  auto options = std::make_shared<TokenizeOptions>();
  auto* command = app.add_subcommand("tokenize", "text to token ids, and back");
  add_text_input(*command, options->input, "the text, or the ids; without any, standard input is read");
  auto* decode = command->add_flag("-d,--decode", options->decode, "from ids to text");
  command->add_flag("--special", options->special, "recognise special tokens written in the text")
      ->excludes(decode);
  command->add_flag("--pieces", options->pieces, "one token a line, with its text")->excludes(decode);
  command->add_flag("--json", options->json, "one JSON object");
  add_model_option(*command, options->model);
  command->footer(
      "Examples:\n"
      "  sluice tokenize --pieces \"Once upon a time\"\n"
      "  sluice tokenize --decode 713 680 274 498\n"
      "  sluice tokenize < story.txt | sluice tokenize --decode | cmp - story.txt\n"
      "The text is taken byte for byte, the last line break of a file included.");
  return [options](Console& console) { return tokenize(*options, console); };
}

}  // namespace sluice
