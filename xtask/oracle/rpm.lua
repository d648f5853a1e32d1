-- rpm.vercmp. Lines in: "c A B", both in hexadecimal. One character out for each: < = >.
local function text(hex)
    return (hex:gsub("..", function(byte) return string.char(tonumber(byte, 16)) end))
end
io.stdout:write((io.popen("rpm --version"):read("l"):gsub("^.* ", "")), "\n")
local sign = { [-1] = "<", [0] = "=", [1] = ">" }
for line in io.stdin:lines() do
    local left, right = line:match("^c (%x*) (%x*)$")
    local good, order = pcall(rpm.vercmp, text(left), text(right))
    io.stdout:write(good and sign[order] or "!", "\n")
end
