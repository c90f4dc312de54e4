#include "config/load/load.h"

#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "config/load/certificate.h"
#include "config/load/draft.h"
#include "config/load/files.h"

namespace headgate::config {
namespace {

std::string host_name() {
  char name[65] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "headgate";
  const auto checked = check_node_name(name);
  return checked ? *checked : "headgate";
}

std::string absolute(const std::string& path) {
  std::error_code error;
  const auto out = std::filesystem::absolute(path, error);
  return error ? path : out.lexically_normal().string();
}

class Loader {
 public:
  explicit Loader(const Files& files) : files_(files) {}

  LoadResult run(const std::string& node_file) {
    load_node(node_file);
    LoadResult result;
    result.sources = std::move(sources_);
    result.run_dir = std::move(run_dir_);
    result.data_dir = std::move(data_dir_);
    result.diagnostics = report_.take();
    if (!report_.has_errors()) result.model = std::make_shared<const Model>(std::move(model_));
    return result;
  }

 private:
  void load_node(const std::string& node_file) {
    const int file = report_.add_file(node_file);
    const auto read = files_.read(node_file);
    if (!read) {
      report_.error({file, 1, 1},
                    files_.absent(node_file)
                        ? "there is no such file: write the node file there, or name another with --config"
                        : fmt::format("can't read the node file: {}", read.error()));
      return;
    }
    sources_.push_back({absolute(node_file), read->text});
    const ValuePtr root = parse_yaml(read->text, file, report_, read->size);
    read_dirs(root.get(), read->text);
    if (!root) return;
    node_.place = root->place;
    read_table(report_, *root, node_table(), node_);
    if (node_.node.node.empty()) node_.node.node = host_name();
    MapDraft map;
    load_channels(node_file, map);
    for (SrtDraft& server : node_.srt) load_passphrase(server.passphrase);
    for (RtmpsDraft& server : node_.rtmps) load_certificate(server);
    for (ChannelDraft& channel : map.channels) {
      if (channel.serve.srt) load_passphrase(channel.serve.srt->passphrase);
      for (EndDraft& end : channel.inputs) {
        load_passphrase(end.passphrase);
        load_secret(end.publish.key, "key_file", parse_publish_key);
        if (channel.enabled) check_media_file(end);
      }
      for (EndDraft& end : channel.push) {
        load_passphrase(end.passphrase);
        load_secret(end.key, "key_file", parse_stream_key);
      }
    }
    if (node_.webhook) load_secret(node_.webhook->secret, "secret_file", parse_webhook_secret);
    resolve(report_, node_, map, model_);
    load_admin(node_file);
    load_webhook();
  }

  // The two keys the launcher can't do without, also out of a file that is broken elsewhere.
  void read_dirs(const Value* root, const std::string& text) {
    Report ignored;
    ignored.add_file("");
    ValuePtr salvaged;
    if (root == nullptr) {
      std::istringstream lines(text);
      std::string line, found;
      while (std::getline(lines, line)) {
        if (line.rfind("run_dir:", 0) == 0 || line.rfind("data_dir:", 0) == 0) found += line + "\n";
      }
      salvaged = parse_yaml(found.empty() ? "{}" : found, 0, ignored);
      root = salvaged.get();
    }
    if (root == nullptr || !root->is_map()) return;
    for (const Key* key : node_table().keys()) {
      if (key->name != "run_dir" && key->name != "data_dir") continue;
      const Entry* entry = root->find(key->name);
      const std::string written = entry == nullptr ? key->default_text : entry->value->text;
      (key->name == "run_dir" ? run_dir_ : data_dir_) = check_absolute_path(written).value_or("");
    }
  }

  void load_channels(const std::string& node_file, MapDraft& map) {
    std::set<std::string> seen;
    for (const auto& name : node_.channel_files) {
      const auto paths = files_.match(join_path(node_file, name.value));
      if (paths.empty()) report_.error(name.place, fmt::format("no file matches '{}'", shown(name.value)));
      for (const std::string& path : paths) {
        if (!seen.insert(absolute(path)).second) {
          report_.error(name.place, fmt::format("the file '{}' is named twice", shown(path)));
          continue;
        }
        const auto read = files_.read(path);
        if (!read) {
          report_.error(name.place,
                        files_.absent(path)
                            ? fmt::format("there is no channel map '{}': write it, or correct "
                                          "`channels` (relative to this file)",
                                          shown(path))
                            : fmt::format("can't read the channel map '{}': {}", shown(path), read.error()));
          continue;
        }
        sources_.push_back({absolute(path), read->text});
        const int file = report_.add_file(path);
        const ValuePtr root = parse_yaml(read->text, file, report_, read->size);
        if (root) read_channels(report_, *root, map);
      }
    }
  }

  // Relative to the file that names it, be that under `defaults` or a channel. Null after an error.
  const FileText* read_secret(SecretDraft& secret, const char* key) {
    if (!secret.file.set) return nullptr;
    const Place place = secret.file.place;
    const std::string path = join_path(report_.file_name(place.file), secret.file.value);
    secret.path = absolute(path);
    // Under `defaults` one file serves thousands of channels.
    const auto [known, fresh] = secrets_.try_emplace(secret.path);
    if (fresh) known->second = files_.read(path);
    if (known->second) return &*known->second;
    report_.error(place, fmt::format("can't read {} '{}': {}", key, shown(path), known->second.error()));
    return nullptr;
  }

  using ParseSecret = tl::expected<std::string, std::string> (*)(const std::string&);
  void load_secret(SecretDraft& secret, const char* key, ParseSecret parse) {
    const FileText* file = read_secret(secret, key);
    if (file == nullptr) return;
    const Place place = secret.file.place;
    const std::string path = join_path(report_.file_name(place.file), secret.file.value);
    if (auto text = parse(file->text)) {
      warn_of_mode(place, path, file->mode);
      secret.text = std::move(*text);
    } else {
      report_.error(place, fmt::format("{} '{}' {}", key, shown(path), text.error()));
    }
  }

  void load_passphrase(SecretDraft& secret) { load_secret(secret, "passphrase_file", parse_passphrase); }

  // The certificate may be read by everybody, its key not.
  void load_certificate(RtmpsDraft& server) {
    const auto pem = [](const std::string& text) { return tl::expected<std::string, std::string>(text); };
    if (const FileText* file = read_secret(server.certificate, "certificate"))
      server.certificate.text = file->text;
    load_secret(server.key, "key", pem);
    if (server.certificate.text.empty() || server.key.text.empty()) return;
    if (const auto pair = check_pair(server.certificate.text, server.key.text); !pair) {
      const SecretDraft& wrong = pair.error().of_key ? server.key : server.certificate;
      report_.error(wrong.file.place, fmt::format("{} '{}' {}", pair.error().of_key ? "key" : "certificate",
                                                  shown(wrong.file.value), pair.error().why));
    } else if (const auto expiry = expiry_of(server.certificate.text, std::time(nullptr)); !expiry.empty()) {
      report_.warning(server.certificate.file.place,
                      fmt::format("certificate '{}' {}: players will refuse it, renew it",
                                  shown(server.certificate.file.value), expiry));
    }
  }

  // It may come later.
  void check_media_file(const EndDraft& end) {
    if (end.kind != InputKind::file || end.address.empty()) return;
    if (const auto why = files_.unreadable(end.address); !why.empty())
      report_.warning(end.place,
                      fmt::format("can't read '{}': {}; this input stays silent until that is mended",
                                  shown(end.address), why));
  }

  void warn_of_mode(Place place, const std::string& path, std::uint32_t mode) {
    if ((mode & 037U) == 0) return;
    report_.warning(
        place, fmt::format("others may read or change '{}' (mode {:03o}): chmod 640", shown(path), mode));
  }

  void load_admin(const std::string& node_file) {
    if (!node_.admin) return;
    AdminServer admin{node_.admin->listen.value, node_.admin->tokens_file.value, {}};
    const Place place = node_.admin->tokens_file.place;
    if (node_.admin->tokens_file.set) {
      const std::string path = join_path(node_file, admin.tokens_file);
      const auto read = files_.read(path);
      if (!read) {
        report_.error(place, fmt::format("can't read tokens_file '{}': {}", shown(path), read.error()));
      } else if (read->text.size() > kMaxFileBytes) {
        report_.error(place, fmt::format("tokens_file '{}' is too large", shown(path)));
      } else {
        warn_of_mode(place, path, read->mode);
        admin.tokens = read_tokens(report_, read->text, report_.add_file(path));
      }
    } else if (node_.admin->listen.set && admin.listen.rfind("127.", 0) != 0 &&
               admin.listen.rfind("[::1]", 0) != 0) {
      report_.warning(
          node_.admin->listen.place,
          "the admin server listens beyond this host without tokens_file: anyone who reaches it is admin");
    }
    model_.node.admin = std::move(admin);
  }

  void load_webhook() {
    if (!node_.webhook || !node_.webhook->url.set) return;
    const Located<std::string>& url = node_.webhook->url;
    if (url.value.rfind("http://", 0) == 0)
      report_.warning(url.place, "alarms go out in clear: anybody on the way reads them; write https://");
    model_.node.webhook = Webhook{url.value, node_.webhook->secret.path, node_.webhook->secret.text};
  }

  const Files& files_;
  Report report_;
  NodeDraft node_;
  Model model_;
  std::vector<SourceFile> sources_;
  std::map<std::string, tl::expected<FileText, std::string>> secrets_;
  std::string run_dir_;
  std::string data_dir_;
};

}  // namespace

LoadResult load(const std::string& node_file) {
  const Files files;
  return Loader(files).run(node_file);
}

LoadResult load_texts(const std::vector<SourceFile>& texts, Secrets secrets) {
  if (texts.empty()) return {};
  const Files files(texts, secrets == Secrets::from_disk);
  return Loader(files).run(texts.front().path);
}

void read_secrets(Model& model) {
  const Files files;
  const auto read = [&](const std::string& path, std::string& secret,
                        tl::expected<std::string, std::string> (*parse)(const std::string&)) {
    if (path.empty()) return;
    secret = files.read(path).and_then([&](const FileText& file) { return parse(file.text); }).value_or("");
  };
  const auto whole = [](const std::string& text) { return tl::expected<std::string, std::string>(text); };
  for (SrtServer& server : model.node.srt) read(server.passphrase_file, server.passphrase, parse_passphrase);
  for (RtmpsServer& server : model.node.rtmps) {
    read(server.certificate_file, server.certificate, whole);
    read(server.key_file, server.key, whole);
    if (!check_pair(server.certificate, server.key)) server.key.clear();
  }
  if (auto& webhook = model.node.webhook) read(webhook->secret_file, webhook->secret, parse_webhook_secret);
  for (Channel& channel : model.channels) {
    if (channel.srt) read(channel.srt->passphrase_file, channel.srt->passphrase, parse_passphrase);
    for (Input& input : channel.inputs) {
      read(input.passphrase_file, input.passphrase, parse_passphrase);
      read(input.key_file, input.key, parse_publish_key);
    }
    for (Push& push : channel.push) {
      read(push.passphrase_file, push.passphrase, parse_passphrase);
      read(push.key_file, push.stream, parse_stream_key);
    }
  }
}

}  // namespace headgate::config
