#include "control/daemon/mosaic.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

namespace headgate::control {
namespace {

constexpr int kGap = 4;  // between cells
constexpr int kMinCell = 64;

int severity(ChannelState state) {
  constexpr ChannelState kWorstFirst[] = {ChannelState::down,   ChannelState::degraded,
                                          ChannelState::backup, ChannelState::waiting,
                                          ChannelState::ok,     ChannelState::disabled};
  return static_cast<int>(std::find(std::begin(kWorstFirst), std::end(kWorstFirst), state) -
                          std::begin(kWorstFirst));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hex =
        text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    if (hex) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  while (begin <= list.size()) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) out.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

bool read_number(const std::string& text, int min, int max, int& out) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && rest == end && out >= min && out <= max;
}

tl::unexpected<std::string> wrong(std::string message) {
  return tl::unexpected<std::string>(std::move(message));
}

tl::expected<std::vector<MosaicChannel>, std::string> chosen(const MosaicQuery& query,
                                                             const std::vector<MosaicChannel>& channels) {
  std::vector<MosaicChannel> out;
  const auto tagged = [&](const MosaicChannel& channel) {
    return query.tag.empty() ||
           std::find(channel.tags.begin(), channel.tags.end(), query.tag) != channel.tags.end();
  };
  if (query.channels.empty()) {
    for (const MosaicChannel& channel : channels) {
      if (channel.state != ChannelState::disabled && tagged(channel)) out.push_back(channel);
    }
  } else {
    std::map<std::string, const MosaicChannel*> by_id;
    for (const MosaicChannel& channel : channels) by_id.emplace(channel.id, &channel);
    for (const std::string& id : query.channels) {
      const auto known = by_id.find(id);
      if (known == by_id.end()) return wrong(fmt::format("channels: there is no channel '{}'", id));
      if (tagged(*known->second)) out.push_back(*known->second);
    }
  }
  if (query.order == MosaicQuery::Order::worst) {
    std::stable_sort(out.begin(), out.end(), [](const MosaicChannel& a, const MosaicChannel& b) {
      return severity(a.state) < severity(b.state);
    });
  }
  return out;
}

// Sizes that follow from one tile's width.
struct Measures {
  explicit Measures(int tile) : picture_width(tile) {
    picture_height = std::max(1, tile * kTileHeight / kTileWidth);
    frame = std::clamp(tile / 48, 2, 12);
    label = std::clamp(tile / 9, 14, 64);
    cell_width = picture_width + 2 * frame;
    cell_height = picture_height + label + 2 * frame;
  }
  int picture_width, picture_height = 0, frame = 0, label = 0, cell_width = 0, cell_height = 0;
};

// About as wide as a screen, 16 to 9.
int usual_columns(std::size_t cells, const Measures& tile) {
  const double shape = 16.0 / 9 * tile.cell_height / tile.cell_width;
  const auto columns = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(cells) * shape)));
  return std::clamp(columns, 1, MosaicQuery::kMaxColumns);
}

nlohmann::json box_json(const MosaicBox& box) {
  return {{"x", box.x}, {"y", box.y}, {"width", box.width}, {"height", box.height}};
}

}  // namespace

tl::expected<MosaicQuery, std::string> parse_mosaic_query(std::string_view text) {
  MosaicQuery query;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (pair.empty()) continue;
    const std::string_view key = pair.substr(0, pair.find('='));
    const std::string value = unescaped(pair.substr(std::min(key.size() + 1, pair.size())));
    if (key == "tag") {
      query.tag = value;
    } else if (key == "channels") {
      query.channels = words_of(value);
      if (query.channels.empty()) return wrong("channels names none: write channels=news,sport");
    } else if (key == "columns") {
      if (!read_number(value, 1, MosaicQuery::kMaxColumns, query.columns))
        return wrong(fmt::format("columns must be 1 to {}", MosaicQuery::kMaxColumns));
    } else if (key == "width") {
      if (!read_number(value, MosaicQuery::kMinWidth, MosaicQuery::kMaxWidth, query.width))
        return wrong(fmt::format("width must be {} to {}", MosaicQuery::kMinWidth, MosaicQuery::kMaxWidth));
    } else if (key == "order") {
      if (value != "worst" && value != "map") return wrong("order must be worst or map");
      query.order = value == "map" ? MosaicQuery::Order::map : MosaicQuery::Order::worst;
    } else if (key != "t") {  // pages add a time to fetch a picture anew
      return wrong("there are tag, channels, columns, width and order");
    }
  }
  return query;
}

tl::expected<Mosaic, std::string> lay_out(const MosaicQuery& query,
                                          const std::vector<MosaicChannel>& channels) {
  auto wanted = chosen(query, channels);
  if (!wanted) return tl::unexpected(wanted.error());
  Mosaic mosaic;
  if (wanted->size() > Mosaic::kMaxCells) {
    mosaic.left_out = wanted->size() - Mosaic::kMaxCells;
    wanted->resize(Mosaic::kMaxCells);
  }
  const std::size_t count = wanted->size();
  mosaic.columns = query.columns != 0 ? query.columns : usual_columns(count, Measures(kTileWidth));
  mosaic.columns = std::min(mosaic.columns, std::max(1, static_cast<int>(count)));
  Measures tile(kTileWidth);
  if (query.width != 0) {
    const int cell = (query.width - kGap) / mosaic.columns - kGap;
    if (cell < kMinCell)
      return wrong(fmt::format("{} columns do not fit into {} pixels: fewer columns, or a larger width",
                               mosaic.columns, query.width));
    int width = cell;
    while (Measures(width).cell_width > cell) --width;
    tile = Measures(width);
  }
  mosaic.frame = tile.frame;
  mosaic.width = query.width != 0 ? query.width : kGap + mosaic.columns * (tile.cell_width + kGap);
  const int rows = std::max(1, (static_cast<int>(count) + mosaic.columns - 1) / mosaic.columns);
  mosaic.height = kGap + rows * (tile.cell_height + kGap);
  if (mosaic.left_out != 0 || count == 0) {
    mosaic.footer = {kGap, mosaic.left_out != 0 ? mosaic.height : kGap, mosaic.width - 2 * kGap, tile.label};
    if (mosaic.left_out != 0) mosaic.height += tile.label + kGap;
  }
  if (std::int64_t{mosaic.width} * mosaic.height > Mosaic::kMaxPixels)
    return wrong(fmt::format("{} x {} pixels are too many: more columns, or a smaller width", mosaic.width,
                             mosaic.height));
  for (std::size_t i = 0; i < count; ++i) {
    const int column = static_cast<int>(i) % mosaic.columns, row = static_cast<int>(i) / mosaic.columns;
    const int x = kGap + column * (tile.cell_width + kGap), y = kGap + row * (tile.cell_height + kGap);
    mosaic.cells.push_back(
        {std::move((*wanted)[i]),
         {x, y, tile.cell_width, tile.cell_height},
         {x + tile.frame, y + tile.frame, tile.picture_width, tile.picture_height},
         {x + tile.frame, y + tile.frame + tile.picture_height, tile.picture_width, tile.label}});
  }
  return mosaic;
}

PictureAge age_of(const MosaicChannel& channel, std::int64_t taken_unix_ns, std::int64_t now_unix_ns) {
  const std::int64_t age = std::max<std::int64_t>(0, now_unix_ns - taken_unix_ns);
  return {true, age > kStaleAfter * channel.every_ns, age};
}

std::string age_words(std::int64_t age_ns) {
  const std::int64_t seconds = age_ns / 1'000'000'000;
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h", seconds / 3600);
}

nlohmann::json mosaic_json(const Mosaic& mosaic, const std::vector<PictureAge>& ages,
                           std::int64_t now_unix_ns) {
  nlohmann::json tiles = nlohmann::json::array();
  for (std::size_t i = 0; i < mosaic.cells.size(); ++i) {
    const MosaicCell& cell = mosaic.cells[i];
    const PictureAge age = i < ages.size() ? ages[i] : PictureAge{};
    nlohmann::json tile = box_json(cell.cell);
    tile.update({{"channel", cell.channel.id},
                 {"name", cell.channel.name},
                 {"state", to_string(cell.channel.state)},
                 {"picture", box_json(cell.picture)},
                 {"stale", age.stale},
                 {"age_ms", nullptr}});
    if (age.there) tile["age_ms"] = age.age_ns / 1'000'000;
    tiles.push_back(std::move(tile));
  }
  return {{"now_unix_ns", now_unix_ns}, {"width", mosaic.width}, {"height", mosaic.height},
          {"columns", mosaic.columns},  {"tiles", tiles},        {"left_out", mosaic.left_out}};
}

}  // namespace headgate::control
