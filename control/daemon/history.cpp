#include "control/daemon/history.h"

#include <fmt/core.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "control/protocol/state.h"
#include "control/reconcile/model_json.h"

namespace headgate::control {
namespace fs = std::filesystem;
namespace {

const std::string kNextApplied = "/applied.next";

nlohmann::json to_json(const HistoryEntry& entry, const std::vector<config::SourceFile>& sources) {
  nlohmann::json files = nlohmann::json::array();
  for (std::size_t i = 0; i < sources.size(); ++i)
    files.push_back({{"path", sources[i].path}, {"stored_as", fmt::format("{:03}.yaml", i)}});
  nlohmann::json json = {{"number", entry.number},   {"unix_ns", entry.unix_ns},
                         {"who", entry.who},         {"summary", entry.summary},
                         {"changes", entry.changes}, {"digest", entry.sources_digest},
                         {"files", files},           {"restores", nullptr}};
  if (entry.restores) json["restores"] = *entry.restores;
  return json;
}

// A path may hold any bytes, JSON only UTF-8: a wrong one becomes a replacement character, not an exception.
std::string dump(const nlohmann::json& json) {
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string hex(const unsigned char* bytes, unsigned size) {
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

}  // namespace

std::string digest(const std::vector<config::SourceFile>& sources) {
  std::string all;
  for (const config::SourceFile& source : sources) {
    all += fmt::format("{}:{}{}:", source.path.size(), source.path, source.text.size());
    all += source.text;
  }
  unsigned char value[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(all.data(), all.size(), value, &size, EVP_sha256(), nullptr) != 1) return all;
  return hex(value, size);
}

std::string History::folder(std::uint32_t number) const {
  return fmt::format("{}/history/{:06}", data_dir_, number);
}

std::vector<std::uint32_t> History::numbers() const {
  std::vector<std::uint32_t> found;
  std::error_code error;
  for (fs::directory_iterator entry(data_dir_ + "/history", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::uint32_t number = 0;
    const auto [rest, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (problem == std::errc() && rest == name.data() + name.size()) found.push_back(number);
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Under other names until confirmed: what was interrupted never counts.
tl::expected<void, std::string> History::write(const HistoryEntry& entry, const config::Model& model,
                                               const std::vector<config::SourceFile>& sources) const {
  const std::string place = unfinished(entry.number);
  std::error_code error;
  fs::remove_all(place, error);
  fs::create_directories(place + "/files", error);
  if (error) return tl::unexpected("can't make " + place + ": " + error.message());
  ::chmod((data_dir_ + "/history").c_str(), 0700);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto path = fmt::format("{}/files/{:03}.yaml", place, i);
    if (auto done = protocol::write_file_atomically(path, sources[i].text); !done) return done;
  }
  if (auto done = protocol::write_file_atomically(place + "/model.json", model_to_json(model)); !done)
    return done;
  if (auto done = protocol::write_file_atomically(place + "/meta.json", dump(to_json(entry, sources))); !done)
    return done;
  return protocol::write_file_atomically(data_dir_ + kNextApplied, std::to_string(entry.number) + "\n");
}

tl::expected<HistoryEntry, std::string> History::prepare(HistoryEntry entry, const config::Model& model,
                                                         const std::vector<config::SourceFile>& sources) {
  const auto known = numbers();
  entry.number = known.empty() ? 1 : known.back() + 1;
  entry.sources_digest = digest(sources);
  if (auto written = write(entry, model, sources); !written) {
    discard(entry);  // half a map must not fill the disk
    return tl::unexpected(written.error());
  }
  return entry;
}

tl::expected<void, std::string> History::confirm(const HistoryEntry& prepared) {
  std::error_code error;
  fs::rename(unfinished(prepared.number), folder(prepared.number), error);
  if (error) return tl::unexpected("can't keep " + folder(prepared.number) + ": " + error.message());
  fs::rename(data_dir_ + kNextApplied, data_dir_ + "/applied", error);
  if (error) return tl::unexpected("can't write " + data_dir_ + "/applied: " + error.message());
  prune();
  return {};
}

void History::discard(const HistoryEntry& prepared) {
  std::error_code error;
  fs::remove_all(unfinished(prepared.number), error);
  fs::remove(data_dir_ + kNextApplied, error);
  fs::remove(data_dir_ + kNextApplied + ".new", error);
}

tl::expected<HistoryEntry, std::string> History::add(HistoryEntry entry, const config::Model& model,
                                                     const std::vector<config::SourceFile>& sources) {
  auto kept = prepare(std::move(entry), model, sources);
  if (!kept) return kept;
  if (auto done = confirm(*kept); !done) return tl::unexpected(done.error());
  return kept;
}

void History::prune() const {
  const auto all = numbers();
  std::error_code error;
  for (std::size_t i = 0; i + kKeep < all.size(); ++i) fs::remove_all(folder(all[i]), error);
}

std::optional<HistoryEntry> History::read(std::uint32_t number) const {
  const auto text = protocol::read_file(folder(number) + "/meta.json");
  if (!text) return std::nullopt;
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  try {
    HistoryEntry entry;
    entry.number = number;
    entry.unix_ns = json.at("unix_ns").get<std::int64_t>();
    entry.who = json.at("who").get<std::string>();
    entry.summary = json.at("summary").get<std::string>();
    entry.changes = json.value("changes", "");
    entry.sources_digest = json.at("digest").get<std::string>();
    if (!json.at("restores").is_null()) entry.restores = json.at("restores").get<std::uint32_t>();
    return entry;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

std::vector<HistoryEntry> History::list() const {
  std::vector<HistoryEntry> entries;
  for (const std::uint32_t number : numbers()) {
    if (auto entry = read(number)) entries.push_back(std::move(*entry));
  }
  return entries;
}

std::optional<HistoryEntry> History::applied() const {
  const auto text = protocol::read_file(data_dir_ + "/applied");
  std::uint32_t number = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc())
    return std::nullopt;
  return read(number);
}

std::optional<HistoryEntry> History::before_applied() const {
  auto at = applied();
  // Each step leads to a smaller number.
  while (at && at->restores && *at->restores < at->number) at = read(*at->restores);
  std::optional<HistoryEntry> before;
  if (!at) return before;
  for (auto& entry : list()) {
    if (entry.number < at->number) before = std::move(entry);
  }
  return before;
}

tl::expected<std::shared_ptr<const config::Model>, std::string> History::model(std::uint32_t number) const {
  const auto text = protocol::read_file(folder(number) + "/model.json");
  if (!text) return tl::unexpected(text.error());
  auto model = parse_model(*text);
  if (!model) return model;
  // Secrets are not kept here. A file that can't be read any more leaves no token, which closes the page, or
  // no passphrase, which closes the stream.
  auto complete = std::make_shared<config::Model>(**model);
  config::read_secrets(*complete);
  if (complete->node.admin && !complete->node.admin->tokens_file.empty()) {
    const auto now = config::load_texts(sources(number));
    if (now.ok() && now.model->node.admin) complete->node.admin->tokens = now.model->node.admin->tokens;
  }
  return complete;
}

std::vector<config::SourceFile> History::sources(std::uint32_t number) const {
  std::vector<config::SourceFile> sources;
  const auto meta = protocol::read_file(folder(number) + "/meta.json");
  if (!meta) return sources;
  const auto json = nlohmann::json::parse(*meta, nullptr, false);
  try {
    for (const auto& file : json.at("files")) {
      const auto stored = fs::path(file.at("stored_as").get<std::string>()).filename().string();
      auto text = protocol::read_file(folder(number) + "/files/" + stored);
      sources.push_back({file.at("path").get<std::string>(), text ? *text : ""});
    }
  } catch (const nlohmann::json::exception&) {
    sources.clear();
  }
  return sources;
}

}  // namespace headgate::control
