#include "config/load/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "config/load/yaml_errors.h"

namespace headgate::config {
namespace {

// Thrown by the builder, caught in parse_yaml: the only way out of yaml-cpp's parser.
struct Stop {
  Place place;
  std::string message;
};

class Builder : public YAML::EventHandler {
 public:
  Builder(int file, const std::string& text, Report& report) : file_(file), text_(text), report_(report) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') lines_.push_back(i + 1);
    }
  }

  // yaml-cpp counts from 0, and columns in bytes; an editor counts characters.
  Place place(const YAML::Mark& mark) const {
    if (mark.is_null() || mark.line < 0) return {file_, 1, 1};
    const auto line = std::min(static_cast<std::size_t>(mark.line), lines_.size() - 1);
    const auto end = lines_[line] + static_cast<std::size_t>(std::max(mark.column, 0));
    int column = 1;
    for (std::size_t i = lines_[line]; i < end; ++i) {
      const bool inside = i < text_.size() && (static_cast<unsigned char>(text_[i]) & 0xC0) == 0x80;
      column += inside ? 0 : 1;
    }
    return {file_, static_cast<int>(line) + 1, column};
  }

  ValuePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_) throw Stop{place(mark), "a second YAML document begins here: keep one document in a file"};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto value = std::make_shared<Value>();
    value->place = place(mark);
    add(value, anchor, 1);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto index = static_cast<std::size_t>(anchor);
    if (index >= anchors_.size() || !anchors_[index].value) {
      throw Stop{place(mark), "an alias inside its own anchor has no end"};
    }
    const Anchor& known = anchors_[index];
    if (known.depth + static_cast<int>(open_.size()) > kMaxDepth) too_deep(place(mark));
    add(known.value, 0, known.nodes, known.depth, place(mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    auto value = std::make_shared<Value>();
    value->kind = Value::Kind::scalar;
    value->place = place(mark);
    value->quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    value->text = text;
    if (!value->quoted) refuse_tag(tag, value->place);
    add(value, anchor, 1);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Value::Kind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Value::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Anchor {
    ValuePtr value;
    std::size_t nodes = 0;
    int depth = 0;
  };
  struct Open {
    std::shared_ptr<Value> value;
    YAML::anchor_t anchor = 0;
    std::size_t nodes = 1;
    int depth = 1;
    std::optional<Entry> key;                   // read, its value comes next
    std::unordered_map<std::string, int> seen;  // key to its line
    std::vector<std::pair<Place, ValuePtr>> merges;
  };

  [[noreturn]] static void too_deep(Place at) {
    throw Stop{at, fmt::format("nested more than {} levels deep", kMaxDepth)};
  }

  void refuse_tag(const std::string& tag, Place at) {
    constexpr std::string_view kCore = "tag:yaml.org,2002:";
    constexpr std::string_view kKnown[] = {"str", "int", "float", "bool", "null", "map", "seq"};
    if (tag.empty() || tag == "?" || tag == "!") return;
    const bool core = tag.rfind(kCore, 0) == 0;
    const std::string_view name = core ? std::string_view(tag).substr(kCore.size()) : std::string_view(tag);
    if (core && std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown)) return;
    report_.error(
        at, fmt::format("YAML tag '{}{}' has no meaning here: remove it", core ? "!!" : "", shown(name)));
  }

  void open(Value::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    Open level;
    level.value = std::make_shared<Value>();
    level.value->kind = kind;
    level.value->place = place(mark);
    level.anchor = anchor;
    refuse_tag(tag, level.value->place);
    if (static_cast<int>(open_.size()) >= kMaxDepth) too_deep(level.value->place);
    open_.push_back(std::move(level));
  }

  void close() {
    Open level = std::move(open_.back());
    open_.pop_back();
    if (level.value->kind == Value::Kind::map) merge(level);
    add(level.value, level.anchor, level.nodes, level.depth);
  }

  // A map merged by << lies under the keys written here (YAML 1.1 merge key; yaml-cpp leaves it alone).
  void merge(Open& level) {
    for (const auto& [at, source] : level.merges) {
      std::vector<ValuePtr> maps;
      if (source->is_list()) maps = source->items;
      if (source->is_map()) maps.push_back(source);
      if (maps.empty()) report_.error(at, "a merge key (<<) takes a map, or a list of maps");
      for (const ValuePtr& map : maps) {
        if (!map->is_map()) {
          report_.error(at, "a merge key (<<) takes a map, or a list of maps");
          continue;
        }
        for (const Entry& entry : map->entries) {
          if (level.seen.emplace(entry.key, entry.place.line).second) level.value->entries.push_back(entry);
        }
      }
    }
  }

  void add(const ValuePtr& value, YAML::anchor_t anchor, std::size_t nodes, int depth = 0,
           std::optional<Place> alias = {}) {
    const Place at = alias.value_or(value->place);
    if (anchor != 0) {
      const auto index = static_cast<std::size_t>(anchor);
      if (anchors_.size() <= index) anchors_.resize(index + 1);
      anchors_[index] = {value, nodes, depth};
    }
    if (open_.empty()) {
      root_ = value;
      return;
    }
    Open& parent = open_.back();
    parent.nodes += nodes;
    parent.depth = std::max(parent.depth, depth + 1);
    if (parent.nodes > kMaxNodes)
      throw Stop{at, fmt::format("more than {} values: aliases multiply", kMaxNodes)};
    if (parent.value->kind == Value::Kind::list) {
      parent.value->items.push_back(value);
      return;
    }
    if (!parent.key) {
      add_key(parent, *value, at);
    } else {
      add_value(parent, value);
    }
  }

  void add_key(Open& parent, const Value& key, Place at) {
    if (!key.is_scalar()) {
      report_.error(at, fmt::format("a key is plain text, not {}", kind_name(key)));
    }
    parent.key = Entry{key.is_scalar() ? key.text : std::string(), at, nullptr};
    if (!key.is_scalar()) parent.key->place.line = 0;  // reported: its value is dropped
    if (key.is_scalar() && key.text == "<<" && !key.quoted) parent.key->place.column = -at.column;
  }

  void add_value(Open& parent, const ValuePtr& value) {
    Entry entry = std::move(*parent.key);
    parent.key.reset();
    if (entry.place.line == 0) return;
    if (entry.place.column < 0) {
      entry.place.column = -entry.place.column;
      parent.merges.emplace_back(entry.place, value);
      return;
    }
    const auto [first, fresh] = parent.seen.emplace(entry.key, entry.place.line);
    if (!fresh) {
      report_.error(entry.place, fmt::format("duplicate key '{}': it stands in line {} already",
                                             shown(entry.key), first->second));
      return;
    }
    entry.value = value;
    parent.value->entries.push_back(std::move(entry));
  }

  int file_;
  const std::string& text_;
  Report& report_;
  std::vector<std::size_t> lines_{0};  // where each begins
  ValuePtr root_;
  std::vector<Open> open_;
  std::vector<Anchor> anchors_;
};

// Offset of the first byte that is not UTF-8 (RFC 3629) or a control character no YAML file has; npos where
// all is well.
std::size_t first_bad_byte(const std::string& text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) return i;
      ++i;
      continue;
    }
    const int more = c >= 0xF0 && c <= 0xF4 ? 3 : c >= 0xE0 && c < 0xF0 ? 2 : c >= 0xC2 && c < 0xE0 ? 1 : 0;
    if (more == 0 || i + static_cast<std::size_t>(more) >= text.size()) return i;
    std::uint32_t code = c & (0x3FU >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if ((next & 0xC0) != 0x80) return i;
      code = code << 6 | (next & 0x3FU);
    }
    if ((more == 2 && (code < 0x800 || (code >= 0xD800 && code < 0xE000))) ||
        (more == 3 && (code < 0x10000 || code > 0x10FFFF))) {
      return i;
    }
    i += static_cast<std::size_t>(more) + 1;
  }
  return std::string::npos;
}

Place place_of(const std::string& text, std::size_t offset, int file) {
  Place place{file, 1, 1};
  for (std::size_t i = 0; i < offset; ++i) {
    if (text[i] == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

bool check_text(const std::string& text, int file, Report& report, std::uint64_t size) {
  if (text.size() > kMaxFileBytes) {
    const double mib = static_cast<double>(std::max<std::uint64_t>(text.size(), size)) / (1 << 20);
    report.error({file, 1, 1}, fmt::format("the file has {:.1f} MiB, and {} MiB is the most: split it", mib,
                                           kMaxFileBytes >> 20));
    return false;
  }
  const std::size_t bad = first_bad_byte(text);
  if (bad != std::string::npos) {
    const auto byte = static_cast<unsigned char>(text[bad]);
    report.error(place_of(text, bad, file),
                 byte < 0x80 ? fmt::format("control character 0x{:02x}: remove it", byte)
                             : fmt::format("byte 0x{:02x} is not UTF-8 text: save the file as UTF-8", byte));
    return false;
  }
  return true;
}

}  // namespace

const Entry* Value::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

ValuePtr make_scalar(std::string text, Place place) {
  auto value = std::make_shared<Value>();
  value->kind = Value::Kind::scalar;
  value->text = std::move(text);
  value->place = place;
  return value;
}

std::string kind_name(const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
      return "nothing";
    case Value::Kind::scalar:
      return fmt::format("'{}'", shown(value.text));
    case Value::Kind::list:
      return "a list";
    case Value::Kind::map:
      return "a map";
  }
  return "nothing";
}

ValuePtr parse_yaml(const std::string& text, int file, Report& report, std::uint64_t size) {
  if (!check_text(text, file, report, size)) return nullptr;
  const bool bom = text.rfind("\xEF\xBB\xBF", 0) == 0;
  const std::string content = bom ? text.substr(3) : text;
  Builder builder(file, content, report);
  try {
    std::istringstream stream(content);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& stop) {
    report.error(stop.place, stop.message);
    return nullptr;
  } catch (const YAML::Exception& e) {
    const YamlFault fault = explain(content, e.msg, builder.place(e.mark));
    report.error(fault.place, fault.message);
    return nullptr;
  } catch (const std::exception&) {
    const YamlFault fault = explain(content, "", {file, 1, 1});
    report.error(fault.place, fault.message);
    return nullptr;
  }
  if (!builder.root() || builder.root()->is_null()) {
    report.error({file, 1, 1}, "the file is empty");
    return nullptr;
  }
  return builder.root();
}

}  // namespace headgate::config
