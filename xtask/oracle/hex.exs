# Elixir's Version. Lines in: "c A B", both in hexadecimal. One character out for each: < = > or ! where Elixir refuses.
text = &Base.decode16!(&1, case: :lower)

IO.puts(System.version())

IO.stream(:stdio, :line)
|> Stream.map(fn line ->
  [_, left, right] = line |> String.trim_trailing("\n") |> String.split(" ")

  try do
    case Version.compare(text.(left), text.(right)) do
      :lt -> "<\n"
      :eq -> "=\n"
      :gt -> ">\n"
    end
  rescue
    Version.InvalidVersionError -> "!\n"
  end
end)
|> Stream.chunk_every(1000)
|> Enum.each(&IO.write/1)
